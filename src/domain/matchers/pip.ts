import { firstHit, hitsOf, lastIndex, placeOf, titleOf } from "./matcher.ts";
import type { Matcher } from "./matcher.ts";

const ERROR =
  /^(?:ERROR|error): ((?:No matching distribution|Could not find a version|Could not open requirements|Cannot install|Invalid requirement|externally-managed|Package .{1,200} requires|ResolutionImpossible|metadata-generation-failed|subprocess-exited).{0,500})$/;

export const pip: Matcher = {
  tool: "pip",
  rank: "cause",
  signs: ["ERROR: ", "error: "],
  find(log) {
    const found = hitsOf(log.lines, ERROR);
    const best = found.find(({ groups }) => groups[1]?.startsWith("No matching")) ?? found[0];
    const first = found[0];
    if (best === undefined || first === undefined) return undefined;
    const source = firstHit(log.lines, /\(from -r ([^\s()]{1,300}) \(line (\d{1,7})\)\)/);
    const invalid = firstHit(log.lines, /\(from line (\d{1,7}) of ([^\s()]{1,300})\)/);
    return {
      title: titleOf((best.groups[1] ?? "").replace(/ \(from -r .*$/, "")),
      place:
        placeOf(log, source?.groups[1], source?.groups[2]) ??
        placeOf(log, invalid?.groups[2], invalid?.groups[1]),
      at: best.at,
      from: first.at,
      to: Math.min(log.lines.length - 1, best.at + 8),
      end: Math.max(
        best.at,
        lastIndex(log.lines, /^(?:ERROR|error|hint|note|WARNING|\[notice\])\b/),
      ),
    };
  },
};
