import { placeOf, titleOf } from "./matcher.ts";
import type { LogView, Match, Matcher } from "./matcher.ts";

/** bash names its script and line; a shell that runs one command only says what ended it. */
const ENDED =
  /^(?:(.{1,300}): line (\d{1,7}): +\d{1,9} )?(Segmentation fault|Aborted|Bus error|Illegal instruction|Floating point exception|Killed|Trace\/breakpoint trap)(?: *\(core dumped\))?(?: +(.{1,300}))?$/;
/** assert(3): `stack: src/stack.c:4: pop: Assertion `depth > 0' failed.` */
const ASSERTED =
  /^[^\s:]{1,200}: ([^\s:][^:]{0,300}):(\d{1,7}): .{0,200}: (Assertion .{1,400} failed)\.$/;
const TERMINATED = /^terminate called (?:after throwing an instance of )?(.{1,300})$/;

/** A program that a signal ended. */
export const signals: Matcher = {
  tool: "signal",
  rank: "crash",
  signs: [
    "Segmentation fault",
    "Aborted",
    "Bus error",
    "Illegal instruction",
    "Floating point",
    "Killed",
    "Assertion",
    "terminate called",
    "Trace/breakpoint",
  ],
  find(log) {
    const { lines } = log;
    const asserted = lines.findLastIndex((line) => ASSERTED.test(line));
    const ended = lines.findLastIndex((line) => ENDED.test(line));
    if (asserted !== -1) return assertion(log, asserted, ended);
    const thrown = lines.findLastIndex((line) => TERMINATED.test(line));
    if (thrown !== -1) return exception(log, thrown, ended);
    return ended === -1 ? undefined : bySignal(log, ended);
  },
};

function around(at: number, end: number) {
  return {
    at,
    from: Math.max(0, at - 9),
    to: Math.max(at, Math.min(end, at + 3)),
    end: Math.max(at, end),
  };
}

function assertion(log: LogView, at: number, ended: number): Match {
  const [, path, line, said = ""] = ASSERTED.exec(log.lines[at] ?? "") ?? [];
  return { title: titleOf(said), place: placeOf(log, path, line), ...around(at, ended) };
}

function exception(log: LogView, at: number, ended: number): Match {
  const what = /^ {2}what\(\): {1,2}(.{1,300})$/.exec(log.lines[at + 1] ?? "");
  const said = TERMINATED.exec(log.lines[at] ?? "")?.[1] ?? "";
  const title = what
    ? `uncaught ${said.replaceAll("'", "")}: ${what[1]}`
    : `terminate called: ${said}`;
  return { title: titleOf(title), place: null, ...around(at, Math.max(ended, what ? at + 1 : at)) };
}

function bySignal(log: LogView, at: number): Match {
  const [, path, line, signal = "", command] = ENDED.exec(log.lines[at] ?? "") ?? [];
  return {
    title: titleOf(command === undefined ? signal : `${signal}: ${command}`),
    place: placeOf(log, path, line),
    ...around(at, at),
    hint: signal === "Killed" ? "Something killed it, most often for memory." : null,
  };
}
