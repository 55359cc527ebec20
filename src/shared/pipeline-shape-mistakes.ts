import { nearSpelling } from "../domain/near-spelling.ts";
import { keyAt, keysAt } from "../domain/pipeline-keys.ts";
import type { PipelineKey } from "../domain/pipeline-keys.ts";
import type { PipelineProblem } from "../domain/pipeline-problem.ts";
import { nounOf, PIPELINE_PLACES } from "../domain/pipeline-types.ts";
import type { KeyType, PipelinePlace } from "../domain/pipeline-types.ts";
import { OTHER_VALUES, OTHER_WORDS } from "../domain/pipeline-words.ts";
import { problemAt, quoted } from "./pipeline-mistake.ts";
import type { Finding, Place } from "./pipeline-mistake.ts";
import type { MapEntry, TextNode } from "./pipeline-text.ts";

/** A map that takes the keys of a place. */
export interface MapToCheck {
  readonly node: TextNode & { readonly kind: "map" };
  /** Where its own key stands. */
  readonly at: Place;
  /** `test.unit`; "" for the whole file. */
  readonly where: string;
  readonly place: PipelinePlace;
}

export function notAMap(root: TextNode): PipelineProblem {
  if (root.kind === "empty" || root.kind === "map") {
    return problemAt(
      { line: 1, column: 1, length: 1 },
      {
        code: "FILE_EMPTY",
        message: "the file has no keys",
        hint: "remove it to let Tatara guess, or write one with `tatara init`",
      },
    );
  }
  const names = keysAt("top").map(({ key }) => key);
  const glued = root.kind === "text" ? /^([a-z-]+):(\S.*)$/m.exec(root.value.slice(0, 60)) : null;
  const hint = names.some((name) => name === glued?.[1])
    ? `a space follows the colon: \`${glued?.[1]}: ${glued?.[2]}\``
    : "write `key: value`, for example `test: make check`";
  const message = `the file takes keys (${names.slice(0, 4).join(", ")}, …), not ${described(root)}`;
  return problemAt(root.at, { code: "VALUE_TYPE", message, hint });
}

interface KeyMistake {
  readonly finding: Finding;
  /** The key under which its value is checked. */
  readonly meant: string | undefined;
}

/** A key that its place does not have. `lineOf` tells where the right one stands already. */
export function misspelt(
  { key }: MapEntry,
  {
    place,
    where,
    knowsSpelling,
  }: Pick<MapToCheck, "place" | "where"> & { readonly knowsSpelling: boolean },
  lineOf: (meant: string) => number | undefined,
): KeyMistake {
  const names = NAMES.get(place) ?? [];
  const meant = knowsSpelling ? meantKey(key, names) : undefined;
  const inside = where === "" ? "" : ` in ${where}`;
  const message = `unknown key ${quoted(key)}${inside}`;
  if (meant === undefined) {
    return { meant, finding: { code: "KEY_UNKNOWN", message, hint: `keys: ${names.join(", ")}` } };
  }
  const line = lineOf(meant);
  const standsOn = line === undefined ? "" : ` It stands on line ${line}`;
  const hint = `did you mean "${meant}"?${standsOn}`;
  return { meant, finding: { code: "KEY_UNKNOWN", message, hint } };
}

/** The keys of each place that are not retired. */
const NAMES: ReadonlyMap<PipelinePlace, readonly string[]> = new Map(
  PIPELINE_PLACES.map((place) => {
    const current = keysAt(place).filter(({ retired }) => retired === undefined);
    return [place, current.map(({ key }) => key)];
  }),
);

/** The key of ours that somebody means: by a word of another system, or by its spelling. */
function meantKey(written: string, names: readonly string[]): string | undefined {
  const words = OTHER_WORDS.get(written.toLowerCase()) ?? [];
  return words.find((word) => names.includes(word)) ?? nearSpelling(written, names);
}

/** A key of old, under whose new name the value is checked. */
export function retiredKey(
  { key }: PipelineKey,
  retired: NonNullable<PipelineKey["retired"]>,
  line: number | undefined,
): KeyMistake {
  const { by, until } = retired;
  const finding: Finding =
    line === undefined
      ? {
          code: "KEY_RETIRED",
          message: `"${key}" is now "${by}"; it stops working in ${until}`,
          hint: "`tatara fix` rewrites it",
          isWarning: true,
        }
      : {
          code: "KEY_CONFLICT",
          message: `"${key}" and "${by}" exclude each other`,
          hint: `"${key}" is the former name of "${by}", which stands on line ${line}; remove it`,
        };
  return { finding, meant: by };
}

/** Keys that are missing, or cannot stand beside each other. `present` tells where each stands. */
export function* rowMistakes(
  { at, where, place }: MapToCheck,
  present: ReadonlyMap<string, Place>,
): Generator<{ readonly at: Place; readonly finding: Finding }> {
  for (const row of keysAt(place)) {
    if (row.isRequired !== true || present.has(row.key)) continue;
    const message = `${where} needs "${row.key}"`;
    yield { at, finding: { code: "KEY_MISSING", message, hint: `add \`${row.example}\`` } };
  }
  const told = new Set<string>();
  for (const row of conflictsFirst(keysAt(place))) {
    const rowAt = present.get(row.key);
    if (rowAt === undefined) continue;
    const excluded = row.excludes?.find((key) => present.has(key));
    // One mistake, however many keys it brings along.
    const other =
      excluded ?? (row.requires && !present.has(row.requires) ? row.requires : undefined);
    if (other === undefined || told.has(other)) continue;
    told.add(other);
    const finding = excluded === undefined ? needs(row, other) : excludes(row, excluded);
    yield { at: rowAt, finding };
  }
}

/** The list of files says best what kind of package is meant. */
function conflictsFirst(rows: readonly PipelineKey[]): readonly PipelineKey[] {
  return rows.toSorted((a, b) => Number(b.key === "files") - Number(a.key === "files"));
}

function excludes({ key, place }: PipelineKey, other: string): Finding {
  const message = `"${key}" and "${other}" exclude each other`;
  if (other !== "spec") return { code: "KEY_CONFLICT", message, hint: "remove one of the two" };
  const where = key === "files" ? "list the files in its %files" : "that is the spec's to say";
  return {
    code: "KEY_CONFLICT",
    message,
    hint: `with a ${place === "package" ? "spec" : other}, ${where}`,
  };
}

function needs({ key, place }: PipelineKey, other: string): Finding {
  const example = keyAt(place, other)?.example ?? other;
  return {
    code: "KEY_MISSING",
    message: `"${key}" needs "${other}"`,
    hint: `add \`${example}\`, or remove "${key}"`,
  };
}

export function valueEmpty(label: string, type: KeyType): Finding {
  const message = `${label} has no value`;
  return { code: "VALUE_EMPTY", message, hint: `give it ${nounOf(type)}, or remove the line` };
}

export function valueUnquoted(node: TextNode & { readonly kind: "number" | "switch" }): Finding {
  const { kind, written, becomes } = node;
  const what = `${written.slice(0, 60)} without quotes is a ${kind}`;
  const message = becomes === written ? `${what}, not text` : `${what} and would become ${becomes}`;
  return { code: "VALUE_UNQUOTED", message, hint: `write ${quoted(written)}` };
}

export function valueTakes(
  slot: {
    readonly node: TextNode;
    readonly key: string;
    readonly label: string;
    readonly example: string;
  },
  taken: string,
): Finding {
  const { node, key, label, example } = slot;
  const inside = textInside(node);
  const hint = inside === undefined ? `\`${example}\`` : `\`${key.slice(0, 60)}: ${inside}\``;
  const message = `${label} takes ${taken}, not ${described(node)}`;
  return { code: "VALUE_TYPE", message, hint };
}

export function wrongChoice(word: string, choices: readonly string[]): Finding {
  const words = OTHER_VALUES.get(word.toLowerCase()) ?? [];
  const meant = words.find((one) => choices.includes(one)) ?? nearSpelling(word, choices);
  const hint = meant === undefined ? "write one of these" : `did you mean "${meant}"?`;
  const message = `${quoted(word)} is not one of: ${choices.join(", ")}`;
  return { code: "VALUE_CHOICE", message, hint };
}

export function tooMany(label: string, count: number, max: number | undefined): Finding {
  const message = `${label} has ${count} entries; the limit is ${max}`;
  return { code: "LIMIT_EXCEEDED", message, hint: "write fewer of them" };
}

function described(node: TextNode): string {
  const { kind } = node;
  if (kind === "switch") return node.becomes;
  return kind === "text" || kind === "empty" ? kind : `a ${kind}`;
}

/** The text that was surely meant, when a list or a map stands where text belongs. */
function textInside(node: TextNode): string | undefined {
  const only = node.kind === "list" && node.items.length === 1 ? node.items : [];
  const values = node.kind === "map" ? node.entries.map(({ value }) => value) : only;
  const text = values.find((value) => value.kind === "text");
  // What would need quotes is left to the person.
  return text !== undefined && /^[\w./][^\n:#`]{0,60}$/.test(text.value) ? text.value : undefined;
}
