import { SaxesParser } from "saxes";
import { nameKey } from "../resolve/name-key.ts";
import { nameTableBuilder } from "./name-table.ts";
import type { NameTable } from "./name-table.ts";

/** Takes a document's text in pieces; both throw Error for what is not well-formed. */
export interface MetadataParser<T> {
  write(text: string): void;
  end(): T;
}

const FLAGS: Readonly<Record<string, number>> = { LT: 2, GT: 4, EQ: 8, LE: 10, GE: 12 };

/** What the packages of a `primary.xml` provide: names, and the paths that it has. */
export function primaryParser(): MetadataParser<NameTable> {
  const table = nameTableBuilder();
  let packages = 0;
  let isProvides = false;
  let path: string | undefined;
  const parser = strictParser();
  parser.on("opentag", ({ name, attributes }) => {
    if (name === "package") packages++;
    if (name === "rpm:provides") isProvides = true;
    if (name === "file") path = "";
    if (name !== "rpm:entry" || !isProvides) return;
    const flags = FLAGS[attributes["flags"] ?? ""] ?? 0;
    const relation = { name: attributes["name"] ?? "", flags, evr: evrOf(attributes) };
    table.add(relation, packages);
  });
  parser.on("text", (text) => {
    if (path !== undefined) path += text;
  });
  parser.on("closetag", ({ name }) => {
    if (name === "rpm:provides") isProvides = false;
    if (name !== "file" || path === undefined) return;
    table.add({ name: path, flags: 0, evr: "" }, packages);
    path = undefined;
  });
  return { write: (text) => parser.write(text), end: () => (parser.close(), table.build()) };
}

function evrOf(attributes: Readonly<Record<string, string>>): string {
  const { epoch = "0", ver = "", rel = "" } = attributes;
  return ver === "" ? "" : `${epoch}:${ver}${rel === "" ? "" : `-${rel}`}`;
}

const PATHS_MAX = 2 ** 25;

/** The keys of all paths in a `filelists.xml`, ascending. */
export function filelistsParser(): MetadataParser<Float64Array> {
  let keys = new Float64Array(1 << 20);
  let length = 0;
  let path: string | undefined;
  const parser = strictParser();
  parser.on("opentag", ({ name }) => {
    if (name === "file") path = "";
  });
  parser.on("text", (text) => {
    if (path !== undefined) path += text;
  });
  parser.on("closetag", () => {
    if (path === undefined) return;
    if (length === PATHS_MAX) throw new RangeError(`It lists more than ${PATHS_MAX} files.`);
    if (length === keys.length) {
      const wider = new Float64Array(length * 2);
      wider.set(keys);
      keys = wider;
    }
    keys[length++] = nameKey(path);
    path = undefined;
  });
  return {
    write: (text) => parser.write(text),
    end: () => (parser.close(), keys.slice(0, length).sort()),
  };
}

export function hasPath(keys: Float64Array, path: string): boolean {
  const key = nameKey(path);
  let from = 0;
  let to = keys.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((keys[middle] ?? 0) < key) from = middle + 1;
    else to = middle;
  }
  return keys[from] === key;
}

function strictParser(): SaxesParser {
  const parser = new SaxesParser();
  parser.on("error", (error) => {
    throw error;
  });
  return parser;
}
