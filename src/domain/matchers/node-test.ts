import { firstHit, hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { Hit, LogView, Match, Matcher } from "./matcher.ts";
import { node } from "./node.ts";
import { frameIn } from "./stack.ts";

const LISTED = /^✖ failing tests:$/;
const FAILED = /^ {0,2}✖ (.{1,400}?)(?: \(\d[\d.]*ms\))?$/;
const WHERE = /^test at (.{1,400}):(\d{1,7}):\d{1,7}$/;

/** The spec reporter of node:test lists what failed, each with `test at …` above it. */
export const nodeTest: Matcher = {
  tool: "node:test",
  rank: "cause",
  signs: ["✖ failing tests:"],
  find(log) {
    const { lines } = log;
    const listed = lastIndex(lines, LISTED);
    if (listed === -1) return undefined;
    const hits = hitsOf(lines, FAILED, listed + 1);
    const [first, second] = hits;
    if (first === undefined) return undefined;
    if (isFile(lines, first)) return crashAbove(log, listed);
    const to = (second?.at ?? lines.length) - 1;
    const said = firstHit(lines, WHERE, listed, first.at + 1);
    const found = hits.map((hit) => ({ at: hit.at, title: nameOf(hit) }));
    const chosen = { at: first.at, title: nameOf(first) };
    return {
      title: chosen.title,
      place: frameIn(log, first.at, to) ?? placeOf(log, said?.groups[1], said?.groups[2]),
      at: first.at,
      from: first.at,
      to,
      end: endOf(lines, hits.at(-1)?.at ?? first.at),
      also: othersOf(found, chosen),
    };
  },
};

/** A file that broke off before its tests stands in the list as if it were a test. */
function isFile(lines: readonly string[], { at, groups }: Hit): boolean {
  return lines[at + 1]?.trim() === "'test failed'" && /\.\w{1,4}$/.test(groups[1] ?? "");
}

function crashAbove(log: LogView, listed: number): Match | undefined {
  const crash = node.find({ ...log, lines: log.lines.slice(0, listed) });
  return crash && { ...crash, end: log.lines.length - 1 };
}

function nameOf({ groups }: Hit): string {
  return titleOf(groups[1] ?? "");
}

function endOf(lines: readonly string[], last: number): number {
  const next = firstHit(lines, /^\S/, last + 1);
  return (next?.at ?? lines.length) - 1;
}
