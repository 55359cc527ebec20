import { firstHit, hitsOf, lastIndex, othersOf, titleOf } from "./matcher.ts";
import type { Matcher } from "./matcher.ts";
import { frameIn } from "./stack.ts";

const SUMMARY = /^Test Suites: .*\d+ failed/;
const FAILED = /^ {2}● (?!Console$)(.{1,600})$/;

/** jest: `● group › test`, with the stack below it. */
export const jest: Matcher = {
  tool: "jest",
  rank: "cause",
  signs: ["Test Suites:"],
  find(log) {
    const { lines } = log;
    const summary = lastIndex(lines, SUMMARY);
    if (summary === -1) return undefined;
    const found = hitsOf(lines.slice(0, summary), FAILED);
    const [first] = found;
    if (first === undefined) return undefined;
    const { at } = first;
    const next = firstHit(lines, /^(?: {2}● |(?:FAIL|PASS) |Test Suites:|Summary of all)/, at + 1);
    const to = (next?.at ?? lines.length) - 1;
    const others = found.map((hit) => ({ at: hit.at, title: titleOf(hit.groups[1] ?? "") }));
    const title = titleOf(first.groups[1] ?? "");
    return {
      title: /^Test suite failed to run$/.test(title) ? suiteTitle(lines, at) : title,
      place: frameIn(log, at, to),
      at,
      from: at,
      to,
      end: Math.max(summary, lastIndex(lines, /^(?:Tests|Snapshots|Time): |^Ran all test suites/)),
      also: othersOf(others, { title, at }),
    };
  },
};

/** A suite that cannot be loaded has no test's name; its file and reason say more. */
function suiteTitle(lines: readonly string[], at: number): string {
  const suite = lines.slice(0, at).findLast((line) => line.startsWith("FAIL ")) ?? "";
  const said = lines.slice(at + 1, at + 6).find((line) => line.trim() !== "") ?? "";
  return titleOf(`${suite.replace(/^FAIL +/, "").replace(/ \([\d.]+ m?s\)$/, "")}: ${said}`);
}
