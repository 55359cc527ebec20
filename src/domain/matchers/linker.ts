import { bestOf, hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { Hit, LogView, Matcher } from "./matcher.ts";

const MESSAGE =
  /(?:undefined reference to|multiple definition of|cannot find -l|undefined symbol:|unable to find library -l).{1,400}$/;
/** `/workspace/src/main.c:6: `, with or without the linker's or an object's name in front. */
const PLACE = /(?:^|[\s(:])([^\s:()]{1,400}):(\d{1,7}): *$/;
const END = /ld returned \d+ exit status|linker command failed with exit code/;

/** ld, gold and lld: what is used and nowhere defined. */
export const linker: Matcher = {
  tool: "linker",
  rank: "cause",
  signs: [
    "undefined reference to",
    "multiple definition of",
    "cannot find -l",
    "undefined symbol",
    "unable to find library",
  ],
  find(log) {
    const last = lastIndex(log.lines, END);
    if (last === -1) return undefined;
    const found = hitsOf(log.lines.slice(0, last), MESSAGE).map((hit) => foundOf(log, hit));
    const chosen = bestOf(found);
    if (chosen === undefined) return undefined;
    const { title, place, at } = chosen;
    const from = /: in function |: In function /.test(log.lines[at - 1] ?? "") ? at - 1 : at;
    return {
      title,
      place,
      at,
      from,
      to: Math.min(last, from + 9),
      end: last,
      hint: hintFor(title),
      also: othersOf(found, chosen),
    };
  },
};

function foundOf(log: LogView, { at, groups }: Hit) {
  const line = log.lines[at] ?? "";
  const message = groups[0] ?? "";
  const [, path, number] = PLACE.exec(line.slice(0, line.length - message.length)) ?? [];
  // lld has the place in a line of its own below.
  const [, other, otherNumber] =
    /^>>> referenced by ([^\s:]{1,400}):(\d{1,7})/.exec(log.lines[at + 1] ?? "") ?? [];
  return {
    title: titleOf(message.replace(/: No such file or directory$|; .*$/, "")),
    place: placeOf(log, path, number) ?? placeOf(log, other, otherNumber),
    at,
  };
}

function hintFor(title: string): string | null {
  const library = /-l(\S+)/.exec(title)?.[1];
  if (library !== undefined)
    return `Install the package with lib${library} for building in the image.`;
  if (!title.startsWith("undefined")) return null;
  return "Link the object file or library that defines it; libraries stand after what uses them.";
}
