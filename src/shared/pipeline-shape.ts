import { keyAt, keysAt } from "../domain/pipeline-keys.ts";
import type { PipelineKey } from "../domain/pipeline-keys.ts";
import { takes, TEXT_FORMATS } from "../domain/pipeline-types.ts";
import type {
  EitherType,
  KeyType,
  ListType,
  MapType,
  OtherType,
  PipelinePlace,
  TextType,
  TextsType,
} from "../domain/pipeline-types.ts";
import type { PipelineProblem } from "../domain/pipeline-problem.ts";
import type { Checked, CheckedEntry, CheckedMap } from "./pipeline-checked.ts";
import { NO_MAP } from "./pipeline-checked.ts";
import { checkFormat, unitMissing } from "./pipeline-formats.ts";
import {
  misspelt,
  notAMap,
  retiredKey,
  rowMistakes,
  tooMany,
  valueEmpty,
  valueTakes,
  valueUnquoted,
  wrongChoice,
} from "./pipeline-shape-mistakes.ts";
import type { MapToCheck } from "./pipeline-shape-mistakes.ts";
import { placeInside, problemAt, quoted } from "./pipeline-mistake.ts";
import type { Finding, Place } from "./pipeline-mistake.ts";
import { testNameMistake } from "./pipeline-names.ts";
import type { MapEntry, PipelineSource, TextNode } from "./pipeline-text.ts";

/** What the file says, not yet compared with the commit. What was refused is left out. */
export interface PipelineShape {
  readonly root: CheckedMap;
  readonly problems: readonly PipelineProblem[];
}

/** Layer 2: keys, types, names and units, all by the table in domain/pipeline-keys.ts. */
export function readPipelineShape(root: TextNode, source: PipelineSource): PipelineShape {
  const problems: PipelineProblem[] = [];
  if (root.kind !== "map" || root.entries.length === 0) {
    return { root: NO_MAP, problems: [notAMap(root)] };
  }
  const walk: Walk = {
    source,
    unknownKeys: 0,
    refuse: (at, finding) => {
      problems.push(problemAt(at, finding));
      return undefined;
    },
  };
  const at = { line: 1, column: 1, length: 1 };
  return { root: checkKeys({ node: root, at, where: "", place: "top" }, walk), problems };
}

/** Comparing a word with all keys costs time, which a file of nothing but mistakes would multiply. */
const SPELLINGS_MAX = 200;

interface Walk {
  readonly source: PipelineSource;
  unknownKeys: number;
  /** Remembers the problem, and gives what is left of the value: nothing. */
  refuse(at: Place, finding: Finding): undefined;
}

/** A value and how messages speak of it. */
interface Slot {
  readonly node: TextNode;
  /** Where its key stands; for an entry of a list, where it begins. */
  readonly at: Place;
  readonly key: string;
  /** `"unit" in test` for what users name, else `"reports"`. */
  readonly label: string;
  /** `test.unit`. */
  readonly where: string;
  readonly example: string;
}

/** A map with the keys of a place: the known ones are checked, the others refused. */
function checkKeys(map: MapToCheck, walk: Walk): CheckedMap {
  const { node, where, place } = map;
  const entries = new Map<string, CheckedEntry>();
  for (const [key, entry] of knownEntries(map, walk)) {
    const row = keyAt(place, key);
    if (row !== undefined) entries.set(key, checkedEntry(entry, row, where, walk));
  }
  const present = new Map([...entries].map(([key, entry]) => [key, entry.keyAt]));
  for (const { at, finding } of rowMistakes(map, present)) walk.refuse(at, finding);
  return { kind: "map", at: node.at, where, entries };
}

/**
 * The entries by the key that each means. What stands under a misspelt or retired key is checked under
 * the right one, so that one mistake does not hide the next; where that stands as well, it counts.
 */
function knownEntries(map: MapToCheck, walk: Walk): ReadonlyMap<string, MapEntry> {
  const found = new Map<string, MapEntry>();
  const { node, place } = map;
  for (const entry of node.entries) {
    const row = keyAt(place, entry.key);
    if (row !== undefined && row.retired === undefined) found.set(entry.key, entry);
  }
  for (const entry of node.entries) {
    if (found.get(entry.key) === entry) continue;
    const row = keyAt(place, entry.key);
    walk.unknownKeys += 1;
    const knowsSpelling = walk.unknownKeys <= SPELLINGS_MAX;
    const mistake =
      row?.retired === undefined
        ? misspelt(entry, { ...map, knowsSpelling }, (meant) => found.get(meant)?.keyAt.line)
        : retiredKey(row, row.retired, found.get(row.retired.by)?.keyAt.line);
    walk.refuse(entry.keyAt, mistake.finding);
    if (mistake.meant !== undefined && !found.has(mistake.meant)) found.set(mistake.meant, entry);
  }
  // In the order of the file, which is also that of the messages.
  return new Map([...found].toSorted(([, a], [, b]) => before(a.keyAt, b.keyAt)));
}

function before(a: Place, b: Place): number {
  return a.line - b.line || a.column - b.column;
}

function checkedEntry(
  { keyAt: at, value: node }: MapEntry,
  { key, type, example }: PipelineKey,
  where: string,
  walk: Walk,
): CheckedEntry {
  const inside = where === "" ? key : `${where}.${key}`;
  const slot = { node, at, key, label: `"${key}"`, where: inside, example };
  return { key, keyAt: at, value: checkValue(slot, type, walk) };
}

function checkValue(slot: Slot, type: KeyType, walk: Walk): Checked | undefined {
  const { node } = slot;
  const allowsEmpty = type.is === "text" && type.mayBeEmpty === true && node.kind === "text";
  if (isEmpty(node) && !allowsEmpty) {
    return walk.refuse(node.kind === "empty" ? slot.at : node.at, valueEmpty(slot.label, type));
  }
  switch (type.is) {
    case "text":
    case "texts":
      return checkText(slot, type, walk);
    case "list":
      return checkList(slot, type, walk);
    case "map":
      return checkNamedMap(slot, type, walk);
    case "keys":
      if (node.kind !== "map") return refuseType(slot, type, walk);
      return checkKeys({ node, at: slot.at, where: slot.where, place: type.place }, walk);
    case "either":
      return checkEither(slot, type, walk);
    default:
      return checkOther(slot, type, walk);
  }
}

function isEmpty(node: TextNode): boolean {
  if (node.kind === "text") return node.value.trim() === "";
  if (node.kind === "list") return node.items.length === 0;
  return node.kind === "empty" || (node.kind === "map" && node.entries.length === 0);
}

function checkText(slot: Slot, type: TextType | TextsType, walk: Walk): Checked | undefined {
  const { node, key } = slot;
  if (node.kind === "list" && type.is === "texts") {
    return checkItems(slot, { ...type, is: "text" }, type.countMax, walk);
  }
  if (node.kind === "number" || node.kind === "switch")
    return checkUnquoted(slot, node, type, walk);
  if (node.kind !== "text") return refuseType(slot, type, walk);
  const check = checkFormat(node.value, type, key);
  const { at, start, end } = node;
  if ("finding" in check) {
    const { finding } = check;
    return walk.refuse(
      "needle" in finding ? placeInside(walk.source, node, finding.needle) : at,
      finding,
    );
  }
  if (typeof check.value === "number") return { kind: "number", at, value: check.value };
  return { kind: "text", at, value: check.value, start, end };
}

/** A number or a switch where text belongs. */
function checkUnquoted(
  slot: Slot,
  node: TextNode & { readonly kind: "number" | "switch" },
  type: TextType | TextsType,
  walk: Walk,
): undefined {
  const isAmount = type.format === "duration" || type.format === "size";
  if (isAmount && node.kind === "number") {
    const isPlain = /^\d{1,12}$/.test(node.written);
    const check = isPlain ? undefined : checkFormat(node.written, type, slot.key);
    const finding = check !== undefined && "finding" in check ? check.finding : undefined;
    return walk.refuse(node.at, finding ?? unitMissing(node.written, type.format === "duration"));
  }
  // `true` and `false` are commands and values of variables, so they only lack quotes.
  const isTextual = ["command", "text", "line", "word"].includes(type.format);
  if (node.kind === "switch" && !isTextual) return refuseType(slot, type, walk);
  return walk.refuse(node.at, valueUnquoted(node));
}

function checkList(slot: Slot, type: ListType, walk: Walk): Checked | undefined {
  if (slot.node.kind !== "list") return refuseType(slot, type, walk);
  return checkItems(slot, type.of, type.countMax, walk);
}

function checkItems(
  slot: Slot,
  type: KeyType,
  countMax: number | undefined,
  walk: Walk,
): Checked | undefined {
  const { node, key, where, example } = slot;
  if (node.kind !== "list") return undefined;
  const excess = node.items[countMax ?? Number.POSITIVE_INFINITY];
  if (excess !== undefined)
    return walk.refuse(excess.at, tooMany(slot.label, node.items.length, countMax));
  const label = `an entry of "${key}"`;
  const items = node.items.map((item, index) => {
    const inside = `${where}[${index + 1}]`;
    return checkValue({ node: item, at: item.at, key, label, where: inside, example }, type, walk);
  });
  const right = items.filter((item) => item !== undefined);
  return { kind: "list", at: node.at, items: right, isPartial: right.length < items.length };
}

/** A map whose keys the user names. Keys of the type's own place may stand among them. */
function checkNamedMap(slot: Slot, type: MapType, walk: Walk): Checked | undefined {
  const { node, where } = slot;
  if (node.kind !== "map") return refuseType(slot, type, walk);
  const excess = node.entries[type.countMax ?? Number.POSITIVE_INFINITY];
  if (excess !== undefined) {
    return walk.refuse(excess.keyAt, tooMany(slot.label, node.entries.length, type.countMax));
  }
  const entries = new Map<string, CheckedEntry>();
  for (const entry of node.entries) {
    const row = type.place && keyAt(type.place, entry.key);
    if (row !== undefined) entries.set(entry.key, checkedEntry(entry, row, where, walk));
    else entries.set(entry.key, checkNamedEntry(entry, slot, type, walk));
  }
  return { kind: "map", at: node.at, where, entries };
}

function checkNamedEntry(entry: MapEntry, slot: Slot, type: MapType, walk: Walk): CheckedEntry {
  const { key, keyAt: at, value: node } = entry;
  const { where } = slot;
  const example = type.of.is === "keys" ? exampleOf(key, type.of.place) : slot.example;
  const mistake = nameMistake(entry, type);
  if (mistake !== undefined) walk.refuse(at, mistake);
  if (mistake?.code === "KEY_UNKNOWN") return { key, keyAt: at, value: undefined };
  const label = `${JSON.stringify(key.slice(0, 60))} in ${where}`;
  const inside = `${where}.${key.slice(0, 60)}`;
  const value = checkValue({ node, at, key, label, where: inside, example }, type.of, walk);
  return { key, keyAt: at, value: mistake === undefined ? value : undefined };
}

/** `dev: { branch: main }` */
function exampleOf(key: string, place: PipelinePlace): string {
  return `${key.slice(0, 60)}: { ${keysAt(place)[0]?.example} }`;
}

/** `exclude` beside the variables of a matrix is no variable, but another word for `except`. */
function nameMistake(
  { key, keyAt: at, value: node }: MapEntry,
  type: MapType,
): Finding | undefined {
  if (type.place !== undefined && node.kind === "list" && node.items[0]?.kind === "map") {
    const rows = keysAt(type.place).map((row) => row.key);
    const entry = { key, keyAt: at, value: node };
    const map = { where: "", place: type.place, knowsSpelling: true };
    const { meant, finding } = misspelt(entry, map, () => undefined);
    if (meant !== undefined && rows.includes(meant)) return finding;
  }
  if (type.keys === "step-name") return testNameMistake(key);
  const check = checkFormat(key, { is: "text", format: type.keys }, key);
  if ("finding" in check) return check.finding;
  if (key === key.trim()) return undefined;
  // Of a value, spaces at its ends are dropped; under a key that has them nobody would find anything.
  return {
    code: "NAME_INVALID",
    message: `${quoted(key)} is no ${TEXT_FORMATS[type.keys][1].replace(/^an? /, "")}`,
    hint: `without spaces: ${quoted(key.trim())}`,
  };
}

function checkEither(slot: Slot, type: EitherType, walk: Walk): Checked | undefined {
  const { node } = slot;
  const fitting = type.of.find((one) => isFor(one, node));
  if (fitting !== undefined) return checkValue(slot, fitting, walk);
  const text = type.of.find((one) => one.is === "text" || one.is === "texts");
  const isScalar = node.kind === "number" || node.kind === "switch";
  if (!isScalar || text === undefined) return refuseType(slot, type, walk);
  const isCommand = (text.is === "text" || text.is === "texts") && text.format === "command";
  // Of a switch that is none here, all forms are told: `"publish" takes a channel, false or a map`.
  if (node.kind === "switch" && !isCommand) return refuseType(slot, type, walk);
  return checkValue(slot, text, walk);
}

/** Short and long forms are told apart by what YAML makes of them. */
function isFor(type: KeyType, node: TextNode): boolean {
  switch (type.is) {
    case "text":
    case "choice":
      return node.kind === "text";
    case "texts":
      return node.kind === "text" || node.kind === "list";
    case "list":
      return node.kind === "list";
    case "keys":
      return node.kind === "map" && (type.marker === undefined || hasKey(node, type.marker));
    case "map":
      return node.kind === "map";
    case "switch":
      return (
        node.kind === "switch" && (type.only === undefined || node.becomes === String(type.only))
      );
    case "number":
      return node.kind === "number";
    case "either":
      return type.of.some((one) => isFor(one, node));
  }
}

function hasKey(node: TextNode & { readonly kind: "map" }, key: string): boolean {
  return node.entries.some((entry) => entry.key === key);
}

function checkOther(slot: Slot, type: OtherType, walk: Walk): Checked | undefined {
  const { node } = slot;
  switch (type.is) {
    case "switch":
      if (node.kind !== "switch" || !isFor(type, node)) return refuseType(slot, type, walk);
      return { kind: "switch", at: node.at, value: node.becomes === "true" };
    case "number":
      return checkNumber(slot, type, walk);
    case "choice": {
      if (node.kind === "list" || node.kind === "map" || node.kind === "empty") {
        return refuseType(slot, type, walk);
      }
      const word = node.kind === "text" ? node.value : node.written;
      if (node.kind !== "text" || !type.of.includes(word)) {
        return walk.refuse(node.at, wrongChoice(word, type.of));
      }
      return { kind: "text", at: node.at, value: word, start: node.start, end: node.end };
    }
  }
}

function checkNumber(
  slot: Slot,
  type: OtherType & { is: "number" },
  walk: Walk,
): Checked | undefined {
  const { node } = slot;
  if (node.kind !== "number") return refuseType(slot, type, walk);
  const value = Number(node.becomes);
  if (type.isWhole && !Number.isInteger(value)) return refuseType(slot, type, walk);
  if (value >= type.min && value <= type.max) return { kind: "number", at: node.at, value };
  return walk.refuse(node.at, {
    code: "LIMIT_EXCEEDED",
    message: `${node.written.slice(0, 60)} is not within ${type.min}-${type.max.toLocaleString("en")}`,
    hint: "choose another number, or ask an admin to raise the limit",
  });
}

function refuseType(slot: Slot, type: KeyType, walk: Walk): undefined {
  return walk.refuse(slot.node.at, valueTakes(slot, takes(type)));
}
