import { placeOf } from "./matcher.ts";
import type { LogView, MatchPlace } from "./matcher.ts";

const FRAME =
  /^\s*(?:at )?(?:.{0,300}[ (])?(?:file:\/\/)?((?:\/|[A-Za-z]:\\|\.{0,2}\/?[^\s():]|[^\s():])[^():]{0,400}):(\d{1,7}):\d{1,7}\)?(?:,? ?\{)?$/;
const OF_OTHERS = /node_modules\/|^node:|\/usr\/lib\//;

/** The first frame of a JavaScript stack in lines `from` to `to` whose file is ours. */
export function frameIn(log: LogView, from: number, to: number): MatchPlace | null {
  for (let at = from; at <= Math.min(to, log.lines.length - 1); at++) {
    const line = log.lines[at] ?? "";
    if (!/^\s+(?:at )?\S/.test(line) || OF_OTHERS.test(line)) continue;
    const parts = FRAME.exec(line);
    const place = parts && placeOf(log, parts[1], parts[2]);
    if (place !== null) return place;
  }
  return null;
}
