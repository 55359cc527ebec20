/** A place outside the commit that a Dockerfile lets the engine fetch from. */
export interface DockerfileSource {
  readonly line: number;
  /** As it is written, arguments put in. */
  readonly text: string;
  readonly kind: "image" | "address";
  /** Undefined: an argument that nobody has given stands where the host would be. */
  readonly host: string | undefined;
  readonly port: string | undefined;
}

const TEXT_MAX = 2_000;
const SOURCES_MAX = 1_000;

/** Images of named registries, and what ADD downloads; `args` are the build's own arguments. */
export function dockerfileSources(
  content: string,
  args: Readonly<Record<string, string>>,
): readonly DockerfileSource[] {
  const known = new Map<string, string>();
  const sources: DockerfileSource[] = [];
  for (const { line, words } of instructionsOf(content)) {
    if (sources.length >= SOURCES_MAX) break;
    const [name = "", ...rest] = words;
    const given = rest.map((word) => withArgs(unquoted(word), known));
    const noted = (text: string, kind: DockerfileSource["kind"]): void => {
      const place = kind === "image" ? registryOf(text) : placeOf(text);
      if (place !== undefined)
        sources.push({ line, text: text.slice(0, TEXT_MAX), kind, ...place });
    };
    switch (name.toUpperCase()) {
      case "ARG":
      case "ENV":
        for (const [key, value] of pairsOf(given)) {
          const own = name.toUpperCase() === "ARG" ? args[key] : undefined;
          if (own !== undefined || value !== undefined) known.set(key, own ?? value ?? "");
        }
        break;
      case "FROM":
        noted(given.find((word) => !word.startsWith("--")) ?? "", "image");
        break;
      case "COPY":
      case "RUN":
        for (const from of flagsOf(given)) noted(from, "image");
        break;
      case "ADD":
        for (const word of listOf(given)) noted(word, "address");
        break;
      case "ONBUILD":
        // It runs in another build, which sees it as its own.
        break;
    }
  }
  return sources;
}

interface Instruction {
  readonly line: number;
  readonly words: readonly string[];
}

/** Lines that end in the escape sign go on; comments between them do not count. */
function instructionsOf(content: string): readonly Instruction[] {
  const escape = /^\s*#\s*escape\s*=\s*`/im.test(content.slice(0, 500)) ? "`" : "\\";
  const found: Instruction[] = [];
  let open: { line: number; text: string } | undefined;
  for (const [index, raw] of content.split(/\r?\n/).entries()) {
    if (/^\s*(?:#|$)/.test(raw)) continue;
    const line = raw.trimEnd();
    const goesOn = line.endsWith(escape);
    const text = goesOn ? line.slice(0, -1) : line;
    open = { line: open?.line ?? index + 1, text: `${open?.text ?? ""}${text} ` };
    if (goesOn) continue;
    found.push({ line: open.line, words: open.text.trim().split(/\s+/) });
    open = undefined;
  }
  if (open !== undefined) found.push({ line: open.line, words: open.text.trim().split(/\s+/) });
  return found;
}

function unquoted(word: string): string {
  return word.replaceAll(/["']/g, "");
}

const ARGUMENT =
  /\$(?:(?<plain>[A-Za-z_]\w*)|\{(?<braced>[A-Za-z_]\w*)(?::(?<sign>[-+])(?<other>[^{}]*))?\})/g;

/** `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:+other}`; what is not known stays as it is. */
function withArgs(word: string, known: ReadonlyMap<string, string>): string {
  let text = "";
  let from = 0;
  const short = word.slice(0, TEXT_MAX);
  for (const { 0: written, index, groups = {} } of short.matchAll(ARGUMENT)) {
    const { plain, braced, sign, other = "" } = groups;
    const value = known.get(plain ?? braced ?? "");
    const plus = value === undefined ? "" : other;
    text += short.slice(from, index);
    text += sign === "+" ? plus : (value ?? (sign === "-" ? other : written));
    from = index + written.length;
  }
  return text + short.slice(from);
}

function pairsOf(words: readonly string[]): readonly (readonly [string, string | undefined])[] {
  const [first = "", ...rest] = words;
  // The old form of ENV: a name, and all the rest of the line.
  if (!first.includes("=") && rest.length > 0) return [[first, rest.join(" ")]];
  return words.map((word) => {
    const at = word.indexOf("=");
    return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
  });
}

function flagsOf(words: readonly string[]): readonly string[] {
  return words.flatMap((word) => {
    const found = /^--from=(.+)$/.exec(word) ?? /^--mount=(?:.*,)?from=([^,]+)/.exec(word);
    return found?.[1] === undefined ? [] : [found[1]];
  });
}

/** Also as `["from", "to"]`; the last is where it goes. */
function listOf(words: readonly string[]): readonly string[] {
  const plain = words.filter((word) => !word.startsWith("--")).join(" ");
  const list = plain.startsWith("[") ? plain.replaceAll(/[[\],]/g, " ") : plain;
  return list.trim().split(/\s+/).slice(0, -1);
}

type Place = Pick<DockerfileSource, "host" | "port">;

/** The registry that an image's name begins with; undefined: the engine's default one, or a stage. */
function registryOf(name: string): Place | undefined {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  if (first.includes("$") || (slash < 0 && name.includes("$"))) return NOWHERE;
  return /[.:[A-Z]/.test(first) || first === "localhost" ? splitPort(first) : undefined;
}

/** Where ADD would go; undefined: into the commit. */
function placeOf(text: string): Place | undefined {
  if (/^[^/]*\$/.test(text)) return NOWHERE;
  const scheme = /^[a-z][a-z0-9+.-]*:(?:\/\/)?([\s\S]*)$/i.exec(text);
  const scp = /^(?:[^/@]+@)([^/:]+):/.exec(text);
  const authority = scheme?.[1]?.split(/[/\\?#]/, 1)[0] ?? scp?.[1];
  if (authority === undefined) return undefined;
  if (authority.includes("$")) return NOWHERE;
  return splitPort(authority.slice(authority.lastIndexOf("@") + 1));
}

const NOWHERE: Place = { host: undefined, port: undefined };

function splitPort(authority: string): Place {
  const [, host = authority, port] = /^(\[.*\]|[^:]*)(?::(\d*))?$/.exec(authority) ?? [];
  return { host, port };
}
