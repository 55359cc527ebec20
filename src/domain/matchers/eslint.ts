import { bestOf, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { LogView, MatchPlace, Matcher } from "./matcher.ts";

const MISTAKE = /^ {2,}(\d{1,7}):\d{1,7} {2,}error {2,}(.{1,600})$/;
const SUMMARY = /^✖ \d+ problems? \(/;

interface Found {
  readonly at: number;
  readonly title: string;
  readonly place: MatchPlace | null;
}

/** eslint's list: a line with the file, below it its problems. */
export const eslint: Matcher = {
  tool: "eslint",
  rank: "cause",
  signs: [" problem"],
  find(log) {
    const summary = log.lines.findLastIndex((line) => SUMMARY.test(line));
    if (summary === -1) return undefined;
    const found = mistakesOf(log, summary);
    const chosen = bestOf(found);
    if (chosen === undefined) return undefined;
    const { at, title, place } = chosen;
    const fixable = /potentially fixable with the `--fix`/.test(log.lines[summary + 1] ?? "");
    return {
      title,
      place,
      at,
      from: Math.max(0, at - 3),
      to: Math.min(at + 8, summary),
      end: fixable ? summary + 1 : summary,
      hint: fixable ? "Some of them `eslint --fix` can correct." : null,
      also: othersOf(found, chosen),
    };
  },
};

function mistakesOf(log: LogView, summary: number): readonly Found[] {
  const found: Found[] = [];
  let file: string | undefined;
  for (const [at, line] of log.lines.slice(0, summary).entries()) {
    if (/^\S/.test(line)) file = line.trim();
    const parts = MISTAKE.exec(line);
    if (!parts) continue;
    const [, number, text = ""] = parts;
    const [, message = text, rule = ""] = /^(.*\S) {2,}(\S+)$/.exec(text) ?? [];
    const title = titleOf(rule === "" ? message : `${message} (${rule})`);
    found.push({ at, title, place: placeOf(log, file, number) });
    if (found.length >= 200) break;
  }
  return found;
}
