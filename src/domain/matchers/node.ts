import { firstHit, lastIndex, placeOf, titleOf } from "./matcher.ts";
import type { LogView, Match, Matcher } from "./matcher.ts";
import { frameIn } from "./stack.ts";

const VERSION = /^(?:Node\.js v\d+\.\d+\.\d+|Bun v\d)/;
const HEAD = /^(?:file:\/\/)?(\/[^:]{1,400}):(\d{1,7})$/;
const THROWN =
  /^(?:Uncaught )?((?:[A-Z]\w{0,60})?(?:Error|Exception)(?: \[\w{1,60}\])?: .{1,500}|Error)$/;
const CAUSES_MAX = 60;

/** A Node.js program that an error ended: the place, the stack, at last the version. */
export const node: Matcher = {
  tool: "node",
  rank: "crash",
  signs: ["Node.js v"],
  find(log) {
    const { lines } = log;
    const end = lastIndex(lines, VERSION);
    if (end === -1) return undefined;
    const from = Math.max(0, end - CAUSES_MAX);
    const at = lines.findIndex((line, index) => index >= from && index < end && THROWN.test(line));
    return at === -1 ? undefined : matchOf(log, at, end);
  },
};

function matchOf(log: LogView, at: number, end: number): Match {
  const { lines } = log;
  const head = lines.findLastIndex(
    (line, index) =>
      index < at && index >= at - 8 && (HEAD.test(line) || line.startsWith("node:internal")),
  );
  const shown = HEAD.exec(lines[head] ?? "");
  const module = /Cannot find (?:module|package) '([^']{1,200})'/.exec(lines[at] ?? "")?.[1];
  const place = (shown && placeOf(log, shown[1], shown[2])) ?? frameIn(log, at, end);
  const required = firstHit(lines, /^- (\/\S{1,400})$/, at, end)?.groups[1];
  return {
    title: titleOf(THROWN.exec(lines[at] ?? "")?.[1] ?? ""),
    place: place ?? placeOf(log, required),
    at,
    from: head === -1 ? at : head,
    to: Math.min(end, at + 12),
    end,
    hint: module === undefined ? null : hintFor(module),
  };
}

function hintFor(module: string): string {
  if (/^[./]/.test(module))
    return "The file is not in the commit, or its name is spelled otherwise.";
  return `Add ${module} to package.json, and install the packages before.`;
}
