import { UserFault } from "../../../src/domain/faults.ts";
import type { Place } from "../../../src/shared/pipeline-mistake.ts";
import { readPipelineText } from "../../../src/shared/pipeline-text.ts";
import type { MapEntry, TextNode } from "../../../src/shared/pipeline-text.ts";
import type { Advisory } from "../../../src/shared/package-messages.ts";
import { CVE, CVES_MAX, REFERENCE_TYPES, severityOf, TYPES } from "./errata-words.ts";

/** One entry of the repository's errata file. */
export interface Erratum {
  readonly id: string;
  readonly type: Advisory["type"];
  readonly severity: Advisory["severity"];
  readonly title: string;
  readonly description: string;
  /** Names of packages; undefined: all binary packages of the build that brings it. */
  readonly packages: readonly string[] | undefined;
  readonly cves: readonly string[];
  readonly references: Advisory["references"];
  readonly reboot: boolean;
}

export const ERRATA_FILE = ".tatara/errata.yaml";
const ERRATA_MAX = 1_000;
const REFERENCES_MAX = 100;
const NAMES_MAX = 1_000;
const KEYS = [
  "id",
  "type",
  "severity",
  "title",
  "description",
  "packages",
  "cves",
  "references",
  "reboot",
] as const;
type Key = (typeof KEYS)[number];

/**
 * Reads the errata file: a list of maps, strict, so that no misspelt key hides a security update.
 * Throws `ERRATA_INVALID` with line and column of the first mistake. An empty text has no entries.
 */
export function readErrata(text: string): readonly Erratum[] {
  if (text.trim() === "") return [];
  const reading = readPipelineText(Buffer.from(text));
  if (reading.kind === "refused") throw mistake(reading.problem, reading.problem.message);
  const { root } = reading;
  if (root.kind === "empty") return [];
  const errata = itemsOf(root, "The file", ERRATA_MAX).map(erratumOf);
  const seen = new Set<string>();
  for (const { erratum, at } of errata) {
    if (seen.has(erratum.id)) throw mistake(at, `the id ${erratum.id} is there twice`);
    seen.add(erratum.id);
  }
  return errata.map(({ erratum }) => erratum);
}

function erratumOf(node: TextNode): { readonly erratum: Erratum; readonly at: Place } {
  const values = keysOf(node, KEYS);
  const id = textAt(values.get("id"), { what: "id", max: 100 });
  if (id === undefined) throw mistake(node.at, "an entry needs an id");
  if (!/^[A-Za-z0-9][A-Za-z0-9._:-]*$/.test(id)) {
    throw mistake(node.at, `"${id}" is no id: letters, digits and . _ : - make one`);
  }
  const title = textAt(values.get("title"), { what: "title", max: 500 });
  if (title === undefined) throw mistake(node.at, `${id} needs a title`);
  const cves = textsAt(values.get("cves"), "cves", CVES_MAX);
  const packages = values.get("packages");
  const erratum = {
    id,
    type: wordAt(values.get("type"), TYPES, "type") ?? (cves.length > 0 ? "security" : "bugfix"),
    severity: severityAt(values.get("severity")),
    title,
    description: textAt(values.get("description"), { what: "description", max: 16_000 }) ?? title,
    packages: packages && textsAt(packages, "packages", NAMES_MAX).map(({ value }) => value),
    cves: cves.map(cveOf),
    references: referencesAt(values.get("references")),
    reboot: switchAt(values.get("reboot")),
  } satisfies Erratum;
  return { erratum, at: node.at };
}

function severityAt(node: TextNode | undefined): Erratum["severity"] {
  const text = textAt(node, { what: "severity", max: 20 });
  if (node === undefined || text === undefined) return "None";
  const severity = severityOf(text);
  if (severity !== undefined) return severity;
  throw mistake(node.at, "severity takes critical, important, moderate, low or none");
}

function cveOf({ value, at }: PlacedText): string {
  if (CVE.test(value)) return value;
  throw mistake(at, `"${value}" is no CVE; one looks like CVE-2026-1234`);
}

/** An address, or a map with its type, id, address and title. */
function referencesAt(node: TextNode | undefined): Erratum["references"] {
  if (node === undefined) return [];
  return itemsOf(node, "references", REFERENCES_MAX).map((item) => {
    if (item.kind !== "map") {
      const href = addressAt(item);
      return { type: "other", id: href.slice(0, 200), href, title: href.slice(0, 500) };
    }
    const values = keysOf(item, ["type", "id", "href", "title"] as const);
    const href = addressAt(values.get("href") ?? item);
    const id = textAt(values.get("id"), { what: "id", max: 200 }) ?? href.slice(0, 200);
    const title = textAt(values.get("title"), { what: "title", max: 500 }) ?? id;
    const type = wordAt(values.get("type"), REFERENCE_TYPES, "type") ?? "other";
    return { type, id, href, title };
  });
}

function addressAt(node: TextNode): string {
  const href = node.kind === "text" ? node.value : "";
  if (/^https?:\/\/\S{1,1900}$/.test(href)) return href;
  throw mistake(node.at, "a reference needs an address that begins with https:// or http://");
}

/** The values of a map's keys. Throws at a key that is not among `allowed`. */
function keysOf<K extends string>(node: TextNode, allowed: readonly K[]): ReadonlyMap<K, TextNode> {
  if (node.kind !== "map") throw mistake(node.at, `this takes keys: ${allowed.join(", ")}`);
  return new Map(
    node.entries.map(({ key, keyAt, value }: MapEntry): [K, TextNode] => {
      const known = allowed.find((each) => each === key);
      if (known !== undefined) return [known, value];
      throw mistake(keyAt, `unknown key "${key.slice(0, 100)}"; keys: ${allowed.join(", ")}`);
    }),
  );
}

function itemsOf(node: TextNode, what: string, max: number): readonly TextNode[] {
  if (node.kind !== "list") throw mistake(node.at, `${what} takes a list`);
  if (node.items.length > max) throw mistake(node.at, `${what} takes at most ${max} entries`);
  return node.items;
}

interface PlacedText {
  readonly value: string;
  readonly at: Place;
}

function textsAt(node: TextNode | undefined, what: Key, max: number): readonly PlacedText[] {
  if (node === undefined) return [];
  return itemsOf(node, what, max).map((item) => ({
    value: textAt(item, { what, max: 300 }) ?? "",
    at: item.at,
  }));
}

/** Undefined where there is no such key. */
function textAt(
  node: TextNode | undefined,
  { what, max }: { readonly what: string; readonly max: number },
): string | undefined {
  if (node === undefined) return undefined;
  // A title such as 3.10 is a number to YAML, and a text to whoever wrote it.
  const text = node.kind === "text" ? node.value : node.kind === "number" ? node.written : "";
  const value = text.trim();
  if (value === "") throw mistake(node.at, `${what} takes a text`);
  if (value.length > max) throw mistake(node.at, `${what} takes at most ${max} characters`);
  return value;
}

function wordAt<W extends string>(
  node: TextNode | undefined,
  words: readonly W[],
  what: string,
): W | undefined {
  const text = textAt(node, { what, max: 40 });
  if (node === undefined || text === undefined) return undefined;
  const word = words.find((each) => each === text);
  if (word !== undefined) return word;
  throw mistake(node.at, `${what} takes ${words.join(", ")}`);
}

function switchAt(node: TextNode | undefined): boolean {
  if (node === undefined) return false;
  if (node.kind === "switch") return node.becomes === "true";
  throw mistake(node.at, "reboot takes true or false");
}

function mistake({ line, column }: { line: number; column: number }, what: string): UserFault {
  const message = `${ERRATA_FILE}:${line}:${column} ${what}`;
  const hint = "Correct the errata file; docs/reference/errata.md shows its form.";
  return new UserFault("ERRATA_INVALID", message, { hint, file: ERRATA_FILE, line });
}
