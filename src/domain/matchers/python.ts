import { hitsOf, lastIndex, placeOf, titleOf } from "./matcher.ts";
import type { LogView, MatchPlace, Matcher } from "./matcher.ts";

const FRAME = /^ +File "([^"]{1,400})", line (\d{1,7})/;
const START = /^ *Traceback \(most recent call last\):$/;
const RAISED =
  /^(?:[A-Za-z_][\w.]{0,200}(?:Error|Exception|Exit|Interrupt|Warning|Failure|Group)\b|[A-Za-z_]\w{0,60}(?:\.\w{1,60}){1,6})(?:: .{0,600})?$/;

/** A traceback that ended a program, or a file that Python cannot read. */
export const python: Matcher = {
  tool: "python",
  rank: "crash",
  signs: ['  File "'],
  find(log) {
    const { lines } = log;
    const raised = lastRaised(lines);
    if (raised === -1) return undefined;
    const start = lines.findLastIndex((line, at) => at < raised && START.test(line));
    const first = start === -1 || raised - start > 300 ? firstFrame(lines, raised) : start;
    const title = titleOf(lines[raised] ?? "");
    const module = /^ModuleNotFoundError: No module named '([^']{1,100})'/.exec(title)?.[1];
    return {
      title,
      place: innermostFrame(log, first, raised),
      at: raised,
      from: Math.max(first, raised - 19),
      to: raised,
      end: raised,
      hint: module === undefined ? null : `Install the module ${module} in the image.`,
    };
  },
};

/** The exception stands below the frames, not indented. */
function lastRaised(lines: readonly string[]): number {
  const frame = lastIndex(lines, FRAME);
  if (frame === -1) return -1;
  for (let at = frame + 1; at < Math.min(lines.length, frame + 12); at++) {
    if (RAISED.test(lines[at] ?? "")) return at;
  }
  return -1;
}

function firstFrame(lines: readonly string[], raised: number): number {
  let first = raised;
  for (let at = raised - 1; at >= Math.max(0, raised - 12); at--) {
    if (FRAME.test(lines[at] ?? "")) first = at;
  }
  return first;
}

/** The frame nearest to where it broke whose file is ours; a test's own line is the outermost. */
export function innermostFrame(
  log: LogView,
  from: number,
  to: number,
  which: "innermost" | "outermost" = "innermost",
): MatchPlace | null {
  const places = hitsOf(log.lines.slice(from, to + 1), FRAME).flatMap(
    ({ groups }) => placeOf(log, groups[1], groups[2]) ?? [],
  );
  return (which === "innermost" ? places.at(-1) : places[0]) ?? null;
}
