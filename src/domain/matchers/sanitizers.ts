import { firstHit, hitsOf, lastIndex, placeOf, titleOf } from "./matcher.ts";
import type { LogView, MatchPlace, Matcher } from "./matcher.ts";

const REPORT =
  /^==\d+==ERROR: (\w{1,30}Sanitizer): (.{1,400})$|^WARNING: (ThreadSanitizer|MemorySanitizer): (.{1,200}) \(pid=\d+\)$/;
const FRAME = /^ {4}#\d+ .{0,300}? ([^\s:()]{1,400}):(\d{1,7})(?::\d{1,7})?(?: \(.{0,200}\))?$/;
const UNDEFINED = /^([^\s:][^:]{0,400}):(\d{1,7}):(?:\d{1,7}:)? runtime error: (.{1,400})$/;

/** AddressSanitizer and its family: the first frame that is ours is where it happened. */
export const sanitizers: Matcher = {
  tool: "sanitizer",
  rank: "cause",
  signs: ["Sanitizer", "runtime error: "],
  find(log) {
    const { lines } = log;
    const report = firstHit(lines, REPORT);
    if (report === undefined) return undefinedBehaviour(log);
    const { at, groups } = report;
    const kind = groups[1] ?? groups[3] ?? "";
    const what = (groups[2] ?? groups[4] ?? "").replace(/ on (?:unknown )?address 0x.*$/, "");
    const summary = lines.findIndex((line, index) => index > at && line.startsWith("SUMMARY: "));
    const to = summary === -1 ? at + 19 : summary;
    return {
      title: titleOf(`${kind}: ${what}`),
      place: frameIn(log, at, to),
      at,
      from: at,
      to: Math.min(to, at + 14, lines.length - 1),
      end: Math.max(
        at,
        summary,
        lastIndex(
          lines,
          /^(?:={10,}$|\w+Sanitizer: reported|==\d+==(?:ABORTING|HINT)| {2}(?:Shadow gap|Left alloca|Right alloca|ASan internal|Array cookie|Container overflow)|=>?0x|Shadow byte)/,
        ),
      ),
    };
  },
};

function frameIn(log: LogView, from: number, to: number): MatchPlace | null {
  for (const { groups } of hitsOf(log.lines.slice(from, to + 1), FRAME)) {
    const place = placeOf(log, groups[1], groups[2]);
    if (place !== null) return place;
  }
  return null;
}

function undefinedBehaviour(log: LogView) {
  const first = firstHit(log.lines, UNDEFINED);
  if (first === undefined) return undefined;
  const { at, groups } = first;
  const last = lastIndex(log.lines, UNDEFINED);
  return {
    title: titleOf(`runtime error: ${groups[3] ?? ""}`),
    place: placeOf(log, groups[1], groups[2]),
    at,
    from: Math.max(0, at - 2),
    to: Math.min(at + 10, log.lines.length - 1),
    end: Math.max(last, lastIndex(log.lines, /^SUMMARY: Undefined|^ {4}#\d+ /)),
  };
}

const LOST =
  /^==\d+== +(?:([\d,]+ (?:\([^)]{1,100}\) )?bytes in [\d,]+ blocks are definitely lost) in .{0,100}|(Invalid (?:read|write|free).{0,100}|Conditional jump .{1,100}|Use of uninitialised .{1,100}))$/;
const BY = /^==\d+== +(?:at|by) 0x[0-9A-F]+: .{1,300} \(([^():]{1,300}):(\d{1,7})\)$/;

export const valgrind: Matcher = {
  tool: "valgrind",
  rank: "cause",
  signs: ["== ERROR SUMMARY: "],
  find(log) {
    const { lines } = log;
    const end = lastIndex(lines, /^==\d+== ERROR SUMMARY: [1-9]/);
    const first = end === -1 ? undefined : firstHit(lines, LOST);
    if (first === undefined) return undefined;
    const { at, groups } = first;
    const to = Math.min(firstHit(lines, /^==\d+== *$/, at + 1)?.at ?? at + 12, at + 19);
    const places = hitsOf(lines.slice(at, to), BY).flatMap(
      (hit) => placeOf(log, hit.groups[1], hit.groups[2]) ?? [],
    );
    return {
      title: titleOf(groups[1] ?? groups[2] ?? ""),
      place: places[0] ?? null,
      at,
      from: at,
      to: to - 1,
      end,
    };
  },
};
