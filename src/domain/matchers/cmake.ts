import { firstHit, hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { Hit, LogView, Matcher } from "./matcher.ts";

const ERROR = /^CMake Error(?: at ([^\s:][^:]{0,400}):(\d{1,7}) \(([^)]{1,100})\))?:? ?(.{0,300})$/;
const END = /^-- Configuring incomplete|^See also "|^CMake (?:Generate|Configure) step failed/;

export const cmake: Matcher = {
  tool: "cmake",
  rank: "cause",
  signs: ["CMake Error"],
  find(log) {
    const found = hitsOf(log.lines, ERROR).map((hit) => foundOf(log, hit));
    const [first] = found;
    if (first === undefined) return undefined;
    const end = lastIndex(log.lines, END);
    const next = firstHit(log.lines, /^\S/, first.at + 1)?.at ?? log.lines.length;
    return {
      title: first.title,
      place: first.place,
      at: first.at,
      from: first.at,
      to: Math.min(next - 1, first.at + 19),
      end: Math.max(end, next - 1, first.at),
      hint: first.hint,
      also: othersOf(found, first),
    };
  },
};

function foundOf(log: LogView, { at, groups: [, path, line, , rest = ""] }: Hit) {
  const said = rest.trim();
  const text = paragraph(log.lines, at) || said;
  const missing = /Find(\w+)\.cmake|package configuration file provided by "(\w+)"/.exec(text);
  const name = missing?.[1] ?? missing?.[2];
  return {
    at,
    title: titleOf(
      name === undefined ? `CMake: ${text}` : `CMake: could not find a package named ${name}`,
    ),
    place: placeOf(log, path, line),
    hint: name === undefined ? null : `Install the development package of ${name} in the image.`,
  };
}

/** The first paragraph below the heading, in one line. */
function paragraph(lines: readonly string[], at: number): string {
  const words: string[] = [];
  for (const line of lines.slice(at + 1, at + 8)) {
    if (!/^\s+\S/.test(line)) break;
    words.push(line.trim());
  }
  return words.join(" ");
}
