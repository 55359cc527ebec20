import { firstHit, lastIndex, placeOf, titleOf } from "./matcher.ts";
import type { Matcher } from "./matcher.ts";

const FAILED = /^(?:Hunk #\d+ FAILED at \d+|error: patch failed: |can't find file to patch)/;
const NAMED =
  /^Patch #\d+ \(([^()]{1,300})\):$|^\+ .{0,300}?([^\s/]{1,200}\.(?:patch|diff))$|^Applying(?: patch)?:? (\S{1,300}\.(?:patch|diff))/;

/** A patch that no longer fits its source. */
export const patch: Matcher = {
  tool: "patch",
  rank: "cause",
  signs: ["FAILED at ", "patch failed: ", "can't find file to patch"],
  find(log) {
    const { lines } = log;
    const failed = firstHit(lines, FAILED);
    if (failed === undefined) return undefined;
    const { at } = failed;
    const name = lines.slice(Math.max(0, at - 30), at).findLast((line) => NAMED.test(line)) ?? "";
    const named = NAMED.exec(name);
    const file = named?.[1] ?? named?.[2] ?? named?.[3];
    const target = lines.slice(0, at).findLast((line) => line.startsWith("patching file "));
    const what = file ?? target?.slice("patching file ".length) ?? "a patch";
    return {
      title: titleOf(`${what} does not apply: ${lines[at] ?? ""}`),
      place: placeOf(log, file),
      at,
      from: Math.max(0, at - 4),
      to: Math.min(at + 4, lines.length - 1),
      end: Math.max(
        at,
        lastIndex(lines, /^\d+ out of \d+ hunks? (?:FAILED|failed)|^Patch failed at/),
      ),
      hint: "Make the patch again on the present source, or drop it if it was merged.",
    };
  },
};
