import { nearSpelling } from "../domain/near-spelling.ts";
import { MATRIX_STEPS_MAX } from "../domain/pipeline-keys.ts";
import type { Matrix } from "../domain/pipeline.ts";
import { expandMatrix } from "../domain/plan-matrix.ts";
import { RESERVED_ENV } from "../domain/reserved-env.ts";
import { textEntries, textsIn, valueOf } from "./pipeline-checked.ts";
import type { CheckedEntry, CheckedMap } from "./pipeline-checked.ts";
import { quoted } from "./pipeline-mistake.ts";
import { refuse } from "./pipeline-reading.ts";
import type { Reading } from "./pipeline-reading.ts";
import { variableName } from "./pipeline-templates.ts";

type Variables = Matrix["variables"];

/** More combinations than this are counted and not made. */
const EXPANDED_MAX = 2_000;

/** The matrix of a step; undefined when it was refused. */
export function readMatrix(map: CheckedMap, reading: Reading): Matrix | undefined {
  const before = reading.problems.length;
  const entries = [...map.entries.values()].filter(({ key }) => key !== "except");
  const variables = entries.flatMap((entry) => readVariable(entry));
  const isPartial = variables.length < entries.length;
  if (entries.length === 0) return refuse(reading, map.at, noVariables());
  checkNames(entries, reading);
  const except = isPartial ? [] : readExcept(map, variables, reading);
  if (isPartial || reading.problems.length > before) return undefined;
  const matrix = { variables, except };
  return checkSize(map, matrix, reading) ? matrix : undefined;
}

function noVariables() {
  return {
    code: "MATRIX_EMPTY",
    message: "the matrix has no variables",
    hint: 'name one with its values: `node: ["22", "24"]`',
  } as const;
}

/** Nothing where a value was refused: the matrix is not what its author meant. */
function readVariable({ key, value }: CheckedEntry): Variables {
  if (value?.kind !== "list" || value.isPartial) return [];
  return [{ name: key, values: (textsIn(value) ?? []).map((text) => text.value) }];
}

function checkNames(entries: readonly CheckedEntry[], reading: Reading): void {
  const seen = new Map<string, string>();
  for (const { key, keyAt, value } of entries) {
    const name = variableName(key);
    const other = seen.get(name);
    const hint = "choose another name";
    if (RESERVED_ENV.has(name)) {
      const message = `${name} is set by Tatara`;
      refuse(reading, keyAt, { code: "ENV_RESERVED", message, hint });
    } else if (other !== undefined) {
      const message = `${quoted(other)} and ${quoted(key)} would both be $${name}`;
      refuse(reading, keyAt, { code: "NAME_RESERVED", message, hint });
    }
    seen.set(name, key);
    const values = new Set<string>();
    for (const { value: text, at } of textsIn(value) ?? []) {
      if (values.has(text)) {
        const message = `${quoted(text)} stands twice among the values of ${quoted(key)}`;
        refuse(reading, at, { code: "NAME_RESERVED", message, hint: "remove one of the two" });
      }
      values.add(text);
    }
  }
}

function readExcept(map: CheckedMap, variables: Variables, reading: Reading): Matrix["except"] {
  const value = valueOf(map, "except");
  if (value?.kind !== "list") return [];
  return value.items.flatMap((item) => {
    if (item.kind !== "map") return [];
    const pairs = textEntries(item);
    for (const { key, keyAt, value: text } of pairs) {
      const variable = variables.find(({ name }) => name === key);
      if (variable === undefined) {
        const names = variables.map(({ name }) => name);
        const near = nearSpelling(key, names);
        const hint =
          near === undefined ? `variables: ${names.join(", ")}` : `did you mean "${near}"?`;
        const message = `the matrix has no ${quoted(key)}`;
        refuse(reading, keyAt, { code: "KEY_UNKNOWN", message, hint });
      } else if (!variable.values.includes(text.value)) {
        const near = nearSpelling(text.value, variable.values);
        const message = `${quoted(text.value)} is not one of: ${variable.values.slice(0, 20).join(", ")}`;
        const hint = near === undefined ? "write one of these" : `did you mean "${near}"?`;
        refuse(reading, text.at, { code: "VALUE_CHOICE", message, hint });
      }
    }
    return [Object.fromEntries(pairs.map((pair) => [pair.key, pair.value.value]))];
  });
}

function checkSize(map: CheckedMap, matrix: Matrix, reading: Reading): boolean {
  const all = matrix.variables.reduce((count, { values }) => count * values.length, 1);
  const left = all > EXPANDED_MAX ? all : expandMatrix(matrix).length;
  if (left > MATRIX_STEPS_MAX) {
    const message = `${left.toLocaleString("en")} combinations; the limit is ${MATRIX_STEPS_MAX}`;
    refuse(reading, map.at, {
      code: "MATRIX_SIZE",
      message,
      hint: "add `except`, or split the step",
    });
    return false;
  }
  if (left > 0) return true;
  refuse(reading, map.entries.get("except")?.keyAt ?? map.at, {
    code: "MATRIX_EMPTY",
    message: "nothing is left of the matrix",
    hint: "remove an entry from `except`",
  });
  return false;
}
