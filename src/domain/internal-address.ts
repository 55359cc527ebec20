/**
 * Which addresses are nobody's but ours to name: those of this machine, of its network and of whoever
 * runs it. What a pipeline file, a Dockerfile or a stranger's redirect names must be none of them.
 */

/** Why an address is not a public one, in words that fit behind "an address of"; undefined: it is. */
export function internalKind(address: string): string | undefined {
  const four = parseFour(address);
  if (four !== undefined) return kindOfFour(four);
  const six = parseSix(address);
  return six === undefined ? "no known form" : kindOfSix(six);
}

/** True for what `internalKind` reads: a dotted IPv4 or an IPv6 address, without brackets. */
export function isAddress(text: string): boolean {
  return parseFour(text) !== undefined || parseSix(text) !== undefined;
}

/** Names that lead inside whatever a resolver says of them. */
export function isInternalName(host: string): boolean {
  const name = host.toLowerCase().replace(/\.+$/, "");
  return (
    INSIDE.has(name) || [".localhost", ".docker.internal"].some((suffix) => name.endsWith(suffix))
  );
}

const INSIDE: ReadonlySet<string> = new Set([
  "localhost",
  "localhost.localdomain",
  "ip6-localhost",
  "ip6-loopback",
  "metadata",
  "metadata.google.internal",
  "instance-data",
]);

type Range = readonly [first: string, bits: number, kind: string];

const PRIVATE = "a private network";
const DOCUMENTS = "examples in documents";

const FOUR: readonly Range[] = [
  ["0.0.0.0", 8, "this machine"],
  ["10.0.0.0", 8, PRIVATE],
  ["100.64.0.0", 10, "a provider's own network"],
  ["127.0.0.0", 8, "this machine"],
  ["168.63.129.16", 32, "a cloud's metadata"],
  ["169.254.0.0", 16, "the link, where clouds keep metadata"],
  ["172.16.0.0", 12, PRIVATE],
  ["192.0.0.0", 24, "a provider's own network"],
  ["192.0.2.0", 24, DOCUMENTS],
  ["192.88.99.0", 24, "relays of other networks"],
  ["192.168.0.0", 16, PRIVATE],
  ["198.18.0.0", 15, "tests of networks"],
  ["198.51.100.0", 24, DOCUMENTS],
  ["203.0.113.0", 24, DOCUMENTS],
  ["224.0.0.0", 4, "many receivers at once"],
  ["240.0.0.0", 4, "no network"],
];
const FOUR_RANGES = FOUR.map(([first, bits, kind]) => {
  const start = numberOf(parseFour(first) ?? []);
  return { start, end: start + 2 ** (32 - bits), kind };
});

function kindOfFour(parts: readonly number[]): string | undefined {
  const number = numberOf(parts);
  return FOUR_RANGES.find(({ start, end }) => number >= start && number < end)?.kind;
}

function numberOf(parts: readonly number[]): number {
  return parts.reduce((number, part) => number * 256 + part, 0);
}

function kindOfSix(groups: readonly number[]): string | undefined {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = groups;
  const isZeroUpTo = (count: number): boolean =>
    groups.slice(0, count).every((group) => group === 0);
  const tail = fourIn(groups, 6);
  if (isZeroUpTo(7) && (groups[7] ?? 0) <= 1) return "this machine";
  // Mapped (::ffff:a.b.c.d), translated (::ffff:0:a.b.c.d) and compatible (::a.b.c.d).
  if (isZeroUpTo(5) && (f === 0xffff || f === 0)) return kindOfFour(tail);
  if (isZeroUpTo(4) && e === 0xffff && f === 0) return kindOfFour(tail);
  if (a === 0x64 && b === 0xff9b) {
    return c === 0 && d === 0 && e === 0 && f === 0 ? kindOfFour(tail) : PRIVATE;
  }
  if ((a & 0xe000) !== 0x2000) return (a & 0xff00) === 0xff00 ? "many receivers at once" : PRIVATE;
  if (a === 0x2002) return kindOfFour(fourIn(groups, 1));
  if (a === 0x2001 && b === 0) return "a tunnel to other networks";
  if (a === 0x2001 && b === 0xdb8) return DOCUMENTS;
  if (a === 0x3fff) return DOCUMENTS;
  // An address that is made from an IPv4 one on the same link.
  if (f === 0x5efe && (e === 0 || e === 0x200)) return kindOfFour(tail);
  return undefined;
}

/** The IPv4 address in two groups of an IPv6 one. */
function fourIn(groups: readonly number[], at: number): readonly number[] {
  return groups.slice(at, at + 2).flatMap((group) => [group >> 8, group & 0xff]);
}

function parseFour(text: string): readonly number[] | undefined {
  // Without leading zeros: some programs take those for octal numbers.
  if (!/^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/.test(text)) return undefined;
  const parts = text.split(".").map(Number);
  return parts.every((part) => part < 256) ? parts : undefined;
}

function parseSix(text: string): readonly number[] | undefined {
  const bare = text.split("%", 1)[0] ?? "";
  const [head = "", tail, more] = bare.split("::");
  if (more !== undefined) return undefined;
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  if (before === undefined || after === undefined) return undefined;
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...before, ...Array.from({ length: missing }, () => 0), ...after];
}

function groupsOf(text: string): readonly number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const four = index === parts.length - 1 ? parseFour(part) : undefined;
    if (four !== undefined) {
      const [a = 0, b = 0, c = 0, d = 0] = four;
      groups.push(a * 256 + b, c * 256 + d);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}
