import { isConsequence } from "../log-consequences.ts";
import { bestOf, firstHit, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { LogView, Match, Matcher, MatchPlace } from "./matcher.ts";

/** `path:12:5: error: message`, as gcc, clang, javac, mypy and their like write. */
const ERROR =
  /^([^\s:][^:]{0,400}):(\d{1,7}):(?:(\d{1,7}):)? *((?:fatal |internal compiler )?error|ERROR|Error): *(.*)$/;
const NEXT =
  /^(?:[^\s:][^:]{0,400}:\d{1,7}:(?:\d{1,7}:)? |[^\s:]{1,200}: In |In file included|make|ninja)/;
const SUMMARY =
  /^(?:\d+ (?:warnings? and \d+ )?errors?(?: generated\.?)?$|compilation terminated|cc1|Found \d+ errors?|Note: |Success)/;

interface Found {
  readonly title: string;
  readonly place: MatchPlace | null;
  readonly at: number;
  readonly header: string | undefined;
}

export const compiler: Matcher = {
  tool: "compiler",
  rank: "cause",
  signs: ["error: ", "ERROR: ", "Error: "],
  find(log) {
    const found = errorsOf(log);
    const chosen = bestOf(found);
    return chosen && matchOf(log, chosen, found);
  },
};

const FOUND_MAX = 200;

function errorsOf(log: LogView): readonly Found[] {
  const found: Found[] = [];
  for (const [at, line] of log.lines.entries()) {
    if (found.length >= FOUND_MAX) break;
    const parts = line.includes("rror:") || line.includes("ERROR:") ? ERROR.exec(line) : null;
    if (!parts) continue;
    const [, path = "", number, , word = "", message = ""] = parts;
    const place = placeOf(log, path, number) ?? contextOf(log, at);
    const header = /error/.test(word) ? missingHeader(message) : undefined;
    found.push({ title: titleOf(`${word}: ${message}`), place, at, header });
  }
  return found;
}

/** An error inside a library's header has its cause where that was included or instantiated. */
function contextOf(log: LogView, at: number): MatchPlace | null {
  for (let index = at - 1; index >= Math.max(0, at - 30); index--) {
    const line = log.lines[index] ?? "";
    const parts =
      /^(?:In file included from|\s+from|)\s*([^\s:][^:]{0,400}):(\d{1,7})(?:[:,]|$)/.exec(line);
    const isContext = /^In file included|^\s+from |required (?:from|by)|instantiat/.test(line);
    const place = parts && isContext ? placeOf(log, parts[1], parts[2]) : null;
    if (place !== null) return place;
    if (ERROR.test(line)) return null;
  }
  return null;
}

function missingHeader(message: string): string | undefined {
  return (
    /^'?([^\s']+\.h(?:pp|h|xx)?)'?: No such file or directory$/.exec(message)?.[1] ??
    /^'([^']+)' file not found$/.exec(message)?.[1]
  );
}

function matchOf(log: LogView, chosen: Found, found: readonly Found[]): Match {
  const { lines } = log;
  const { at, header } = chosen;
  const next = firstHit(lines, NEXT, at + 1)?.at ?? at + 8;
  const isFunction = /^[^\s:][^:]{0,400}: (?:In |At )/.test(lines[at - 1] ?? "");
  const last = Math.max(lastIndex(lines, ERROR), at);
  return {
    title: chosen.title,
    place: chosen.place,
    at,
    from: isFunction ? at - 1 : at,
    to: Math.max(at, Math.min(next - 1, at + 8)),
    end: endOf(lines, last),
    hint:
      header === undefined
        ? null
        : `Install the package that has ${header} in the image, or add its folder with -I.`,
    also: othersOf(found, chosen),
  };
}

const OWN_LINES_MAX = 500;

/** After the last error come its own lines, which are indented or show the source. */
function endOf(lines: readonly string[], last: number): number {
  let end = last;
  for (let index = last + 1; index < Math.min(lines.length, last + OWN_LINES_MAX); index++) {
    const line = lines[index] ?? "";
    const isOwn =
      /^\s/.test(line) ||
      SUMMARY.test(line) ||
      /^In file included from |^\S{1,300}: (?:In |At )/.test(line) ||
      /^[^\s:]+:\d+:(?:\d+:)? (?:note|warning)/.test(line);
    if (isOwn) end = index;
    else if (!isConsequence(line) && !isSource(lines, index)) break;
  }
  return end;
}

/** clang shows a line of the source as it is, with a caret below. */
function isSource(lines: readonly string[], index: number): boolean {
  return /^\s*[~^]/.test(lines[index + 1] ?? "");
}
