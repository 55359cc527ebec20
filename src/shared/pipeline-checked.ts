import type { Place } from "./pipeline-mistake.ts";

/**
 * What is left of a file once its shape is checked against the table of keys: every key is known,
 * every value has its type, and durations and sizes are numbers. What was refused is undefined.
 */
export type Checked = CheckedText | CheckedNumber | CheckedSwitch | CheckedList | CheckedMap;

export interface CheckedText {
  readonly kind: "text";
  readonly at: Place;
  readonly value: string;
  /** Offsets in the file, for places inside the text. */
  readonly start: number;
  readonly end: number;
}

export interface CheckedNumber {
  readonly kind: "number";
  readonly at: Place;
  readonly value: number;
}

export interface CheckedSwitch {
  readonly kind: "switch";
  readonly at: Place;
  readonly value: boolean;
}

export interface CheckedList {
  readonly kind: "list";
  readonly at: Place;
  readonly items: readonly Checked[];
  /** An entry was refused, so the list says less than its author meant. */
  readonly isPartial: boolean;
}

export interface CheckedMap {
  readonly kind: "map";
  readonly at: Place;
  /** What messages call it: `test.unit`. */
  readonly where: string;
  readonly entries: ReadonlyMap<string, CheckedEntry>;
}

export interface CheckedEntry {
  readonly key: string;
  /** Where the key stands, under whatever spelling. */
  readonly keyAt: Place;
  readonly value: Checked | undefined;
}

/** Nothing, where a map was refused or not written. */
export const NO_MAP: CheckedMap = {
  kind: "map",
  at: { line: 1, column: 1, length: 1 },
  where: "",
  entries: new Map(),
};

/** Is the key in the file, refused or not? */
export function has(map: CheckedMap, key: string): boolean {
  return map.entries.has(key);
}

export function valueOf(map: CheckedMap, key: string): Checked | undefined {
  return map.entries.get(key)?.value;
}

export function textOf(map: CheckedMap, key: string): CheckedText | undefined {
  const value = valueOf(map, key);
  return value?.kind === "text" ? value : undefined;
}

export function numberOf(map: CheckedMap, key: string): number | undefined {
  const value = valueOf(map, key);
  return value?.kind === "number" ? value.value : undefined;
}

export function switchOf(map: CheckedMap, key: string): boolean | undefined {
  const value = valueOf(map, key);
  return value?.kind === "switch" ? value.value : undefined;
}

export function mapOf(map: CheckedMap, key: string): CheckedMap | undefined {
  const value = valueOf(map, key);
  return value?.kind === "map" ? value : undefined;
}

/** The texts of a key, whether it was written as one or as a list. */
export function textsOf(map: CheckedMap, key: string): readonly CheckedText[] | undefined {
  return textsIn(valueOf(map, key));
}

export function textsIn(value: Checked | undefined): readonly CheckedText[] | undefined {
  if (value?.kind === "text") return [value];
  if (value?.kind !== "list") return undefined;
  return value.items.filter((item): item is CheckedText => item.kind === "text");
}

/** The entries of a map of texts, such as `env`, that were not refused. */
export function textEntries(
  map: CheckedMap | undefined,
): readonly { readonly key: string; readonly keyAt: Place; readonly value: CheckedText }[] {
  return [...(map?.entries.values() ?? [])].flatMap(({ key, keyAt, value }) =>
    value?.kind === "text" ? [{ key, keyAt, value }] : [],
  );
}
