import { bestOf, firstHit, hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { Hit, LogView, Matcher } from "./matcher.ts";

const PLAIN = /^([^\s(][^(]{0,400})\((\d{1,7}),\d{1,7}\): (error (?:TS|CS|FS|BC)\d+: .{0,600})$/;
const PRETTY = /^([^\s:][^:]{0,400}):(\d{1,7}):\d{1,7} - (error TS\d+: .{0,600})$/;

/** TypeScript's compiler, plain and pretty; C# and F# write the same. */
export const tsc: Matcher = {
  tool: "tsc",
  rank: "cause",
  signs: ["error TS", "error CS", "error FS"],
  find(log) {
    const { lines } = log;
    const plain = hitsOf(lines, PLAIN);
    const hits = plain.length > 0 ? plain : hitsOf(lines, PRETTY);
    const found = hits.map((hit) => foundOf(log, hit));
    const chosen = bestOf(found);
    if (chosen === undefined) return undefined;
    const { at, title, place } = chosen;
    const last = found.at(-1)?.at ?? at;
    const after = firstHit(lines, /^Found \d+ errors?/, last)?.at;
    return {
      title,
      place,
      at,
      from: at,
      to: Math.min(at + 9, lines.length - 1),
      end: after === undefined ? last : Math.max(after, lastIndex(lines, /^ +\d+ {2}\S+:\d+$/)),
      also: othersOf(found, chosen),
    };
  },
};

function foundOf(log: LogView, { at, groups: [, path, line, message = ""] }: Hit) {
  return { at, title: titleOf(message), place: placeOf(log, path, line) };
}
