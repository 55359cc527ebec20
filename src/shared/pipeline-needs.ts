import { nearSpelling } from "../domain/near-spelling.ts";
import type { CheckedText } from "./pipeline-checked.ts";
import { quoted } from "./pipeline-mistake.ts";
import { refuse } from "./pipeline-reading.ts";
import type { Reading } from "./pipeline-reading.ts";

/** Something that is named and needs others of its kind. */
export interface Needing {
  readonly name: string;
  readonly needs: readonly CheckedText[];
}

/** Refuses names that nothing has, and circles. `known` are all names, also of what was refused. */
export function checkNeeds(
  all: readonly Needing[],
  noun: "test" | "project",
  known: readonly string[],
  reading: Reading,
): void {
  for (const { needs } of all) {
    for (const { value, at } of needs) {
      if (known.includes(value)) continue;
      const near = nearSpelling(value, known);
      const hint =
        near === undefined
          ? `${noun}s: ${known.slice(0, 20).join(", ")}`
          : `did you mean "${near}"?`;
      refuse(reading, at, { code: "NEEDS_UNKNOWN", message: `no ${noun} ${quoted(value)}`, hint });
    }
  }
  refuseCircles(all, reading);
}

/** Where everything needs everything, there are more circles than anybody would read. */
const CIRCLES_TOLD_MAX = 10;

/** Each circle is told once, at the need that closes it, from its first member in the file. */
function refuseCircles(all: readonly Needing[], reading: Reading): void {
  const byName = new Map(all.map((one) => [one.name, one]));
  const done = new Set<string>();
  const path: string[] = [];
  let told = 0;
  const visit = (one: Needing): void => {
    path.push(one.name);
    for (const need of one.needs) {
      const from = path.indexOf(need.value);
      const next = byName.get(need.value);
      if (from !== -1) {
        told += 1;
        if (told <= CIRCLES_TOLD_MAX)
          refuse(reading, need.at, circle([...path.slice(from), need.value]));
      } else if (next !== undefined && !done.has(next.name)) visit(next);
    }
    path.pop();
    done.add(one.name);
  };
  for (const one of all) if (!done.has(one.name)) visit(one);
}

function circle(names: readonly string[]) {
  const shown = names.length > 12 ? [...names.slice(0, 10), "…", ...names.slice(-1)] : names;
  return {
    code: "NEEDS_CYCLE",
    message: shown.join(" needs "),
    hint: names.length === 2 ? "remove it" : `remove one of the ${numeral(names.length - 1)}`,
  } as const;
}

function numeral(count: number): string {
  return ["", "", "two", "three", "four"][count] ?? String(count);
}
