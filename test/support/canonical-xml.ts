/**
 * One element in canonical form: attributes by name, references resolved and written in one way, no
 * whitespace between elements. Text keeps every character. Throws for whatever is not well-formed:
 * a second opinion on what we write, so it shares nothing with the writer.
 */
export function canonicalXml(xml: string): string {
  const forbidden = FORBIDDEN.exec(xml);
  if (forbidden !== null) throw new Error(`A character that XML forbids at ${forbidden.index}.`);
  const reader = { xml, at: 0 };
  skipSpace(reader);
  const canonical = readElement(reader);
  skipSpace(reader);
  if (reader.at !== xml.length) throw new Error(`Something after the element at ${reader.at}.`);
  return canonical;
}

interface Reader {
  readonly xml: string;
  at: number;
}

const FORBIDDEN = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;
const NAME = /[A-Za-z_:][\w:.-]*/y;
const SPACE = /\s+/y;
const TEXT = /[^<]*/y;
const VALUE = /"([^"<]*)"/y;

function readElement(reader: Reader): string {
  demand(reader, "<");
  const name = take(reader, NAME);
  const attributes = readAttributes(reader);
  const start = `<${name}${attributes}>`;
  if (reader.xml.startsWith("/>", reader.at)) {
    reader.at += 2;
    return `${start}</${name}>`;
  }
  demand(reader, ">");
  const content = readContent(reader);
  demand(reader, `</${name}>`);
  return `${start}${content}</${name}>`;
}

function readAttributes(reader: Reader): string {
  const values = new Map<string, string>();
  for (;;) {
    const space = takeOptional(reader, SPACE);
    if (reader.xml[reader.at] === ">" || reader.xml[reader.at] === "/") break;
    if (space === "") throw new Error(`No space before an attribute at ${reader.at}.`);
    const name = take(reader, NAME);
    demand(reader, "=");
    const value = resolve(
      take(reader, VALUE)
        .slice(1, -1)
        .replaceAll(/[\t\n\r]/g, " "),
    );
    if (values.has(name)) throw new Error(`The attribute ${name} twice.`);
    values.set(name, value);
  }
  const sorted = [...values].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([name, value]) => ` ${name}="${write(value)}"`).join("");
}

function readContent(reader: Reader): string {
  const parts: string[] = [];
  const elements: boolean[] = [];
  while (!reader.xml.startsWith("</", reader.at)) {
    const isElement = reader.xml[reader.at] === "<";
    parts.push(isElement ? readElement(reader) : write(resolve(takeOptional(reader, TEXT))));
    elements.push(isElement);
    if (reader.at >= reader.xml.length) throw new Error("An element without an end.");
  }
  const isMixed = elements.includes(true);
  return parts.filter((part, index) => !isMixed || elements[index] || part.trim() !== "").join("");
}

const NAMED: ReadonlyMap<string, string> = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
]);

function resolve(text: string): string {
  return text.replaceAll(/&([^;]*;?)/g, (_, reference: string) => {
    const [, decimal, hex, name = ""] = /^(?:#(\d+)|#x([\dA-Fa-f]+)|(\w+));$/.exec(reference) ?? [];
    const code = Number(decimal ?? (hex === undefined ? NaN : `0x${hex}`));
    const character =
      NAMED.get(name) ?? (Number.isNaN(code) ? undefined : String.fromCodePoint(code));
    if (character === undefined || FORBIDDEN.test(character)) {
      throw new Error(`A bad reference: &${reference}`);
    }
    return character;
  });
}

function write(text: string): string {
  return text.replaceAll(/[&<>"\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function take(reader: Reader, pattern: RegExp): string {
  const taken = takeOptional(reader, pattern);
  if (taken === "") throw new Error(`Not ${pattern.source} at ${reader.at}.`);
  return taken;
}

function takeOptional(reader: Reader, pattern: RegExp): string {
  pattern.lastIndex = reader.at;
  const taken = pattern.exec(reader.xml)?.[0] ?? "";
  reader.at += taken.length;
  return taken;
}

function skipSpace(reader: Reader): void {
  takeOptional(reader, SPACE);
}

function demand(reader: Reader, text: string): void {
  if (!reader.xml.startsWith(text, reader.at)) {
    throw new Error(`Not ${text} but ${reader.xml.slice(reader.at, reader.at + 20)}.`);
  }
  reader.at += text.length;
}
