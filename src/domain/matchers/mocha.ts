import { firstHit, hitsOf, othersOf, titleOf } from "./matcher.ts";
import type { Hit, Matcher } from "./matcher.ts";
import { frameIn } from "./stack.ts";

const NUMBERED = /^ {2}(\d{1,4})\) (.{1,400})$/;

/** mocha's list below `2 failing`: group, deeper group, `test:`. */
export const mocha: Matcher = {
  tool: "mocha",
  rank: "cause",
  signs: [" failing"],
  find(log) {
    const { lines } = log;
    const summary = lines.findLastIndex((line) => /^ {2}\d+ failing$/.test(line));
    if (summary === -1) return undefined;
    const found = hitsOf(lines, NUMBERED, summary);
    const [first, second] = found;
    if (first === undefined) return undefined;
    const to = (second?.at ?? lines.length) - 1;
    const titled = found.map((hit) => ({ at: hit.at, title: nameAt(lines, hit) }));
    const chosen = { at: first.at, title: nameAt(lines, first) };
    return {
      title: chosen.title,
      place: frameIn(log, first.at, to),
      at: first.at,
      from: first.at,
      to,
      end: endOf(lines, found.at(-1)?.at ?? first.at),
      also: othersOf(titled, chosen),
    };
  },
};

function nameAt(lines: readonly string[], { at, groups }: Hit): string {
  const parts = [groups[2] ?? ""];
  for (let index = at + 1; index < at + 8 && !parts.at(-1)?.endsWith(":"); index++) {
    const line = lines[index] ?? "";
    if (line.trim() === "") break;
    parts.push(line.trim());
  }
  return titleOf(parts.join(" › ").replace(/:$/, ""));
}

function endOf(lines: readonly string[], last: number): number {
  const outside = firstHit(lines, /^\S/, last + 1);
  const stack = lines.findLastIndex((line, at) => at > last && /^ {6}at /.test(line));
  return Math.max(stack, (outside?.at ?? lines.length) - 1);
}
