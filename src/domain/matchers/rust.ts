import { bestOf, firstHit, hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { Hit, LogView, MatchPlace, Matcher } from "./matcher.ts";

const ERROR = /^error(?:\[(E\d+)\])?: (.{1,600})$/;
const ARROW = /^ *(?:-->|╭▸) ([^\s:][^:]{0,400}):(\d{1,7}):\d{1,7}$/;
const VERDICT =
  /^error: (?:could not compile|aborting due to|test failed|\d+ targets? failed|process didn't exit)/;

/** rustc's errors, also below cargo: `error[E0382]: …` and `--> src/main.rs:6:33`. */
export const rustc: Matcher = {
  tool: "rustc",
  rank: "cause",
  signs: ["--> ", "failed to parse manifest", "error: failed to", "error: no matching package"],
  find(log) {
    const { lines } = log;
    const found = hitsOf(lines, ERROR)
      .filter(({ at }) => !VERDICT.test(lines[at] ?? ""))
      .map((hit) => errorOf(log, hit))
      .filter(({ isRust }) => isRust);
    const chosen = bestOf(found);
    if (chosen === undefined) return undefined;
    const { at, title, place } = chosen;
    const next = firstHit(lines, /^\S/, at + 1, at + 40);
    const last = found.at(-1)?.at ?? at;
    const after = blockEnd(lines, last);
    return {
      title,
      place,
      at,
      from: at,
      to: Math.max(at, (next?.at ?? at + 20) - 1),
      end: Math.max(
        after,
        lastIndex(lines, VERDICT),
        lastIndex(lines, /^(?:For more information about|Some errors have detailed|warning: `)/),
      ),
      also: othersOf(found, chosen),
    };
  },
};

/** Below an error stand its source and notes, indented or with a number; a cause after an empty line. */
function blockEnd(lines: readonly string[], last: number): number {
  let end = last;
  for (let index = last + 1; index < Math.min(lines.length, last + 60); index++) {
    const line = lines[index] ?? "";
    if (
      /^(?:\s|\d+ +\||\.\.\.|Caused by:|location searched|required by package|As a reminder)/.test(
        line,
      )
    )
      end = index;
    else if (line !== "") break;
  }
  return end;
}

function errorOf(log: LogView, { at, groups: [, code, message = ""] }: Hit) {
  const arrow = firstHit(log.lines, ARROW, at + 1, at + 4);
  const manifest = /failed to (?:parse manifest|load manifest .{0,100}) at `([^`]{1,400})`/.exec(
    message,
  );
  const reason = manifest && firstHit(log.lines, /^ {2}\S/, at + 1, at + 6);
  const why = reason ? `: ${(log.lines[reason.at] ?? "").trim()}` : "";
  const said = reason ? message.replace(/ at `[^`]{1,400}`$/, why) : message;
  return {
    at,
    isRust:
      arrow !== undefined || code !== undefined || /^failed to |^no matching package/.test(message),
    title: titleOf(`error${code === undefined ? "" : `[${code}]`}: ${said}`),
    place: message.startsWith("no matching package")
      ? placeOf(log, "Cargo.toml")
      : manifest
        ? placeOf(log, manifest[1])
        : placeOf(log, arrow?.groups[1], arrow?.groups[2]),
  };
}

const TEST = /^test (.{1,300}?)(?: - should panic)? \.\.\. FAILED$/;
const OUTPUT = /^---- (.{1,300}) stdout ----$/;
const PANICKED =
  /^thread '([^']{0,200})'(?: \(\d+\))? panicked at (?:'.{0,400}', )?([^\s:'][^:']{0,300}):(\d{1,7}):\d{1,7}:?$/;
/** Before Rust 1.73 the message stood in quotes, over several lines, in front of the place. */
const MESSAGE_END = /^.{0,300}', ([^\s:'][^:']{0,300}):(\d{1,7}):\d{1,7}$/;

/** cargo test: which test failed, and where it panicked. */
export const cargoTest: Matcher = {
  tool: "cargo test",
  rank: "cause",
  signs: ["test result: FAILED"],
  find(log) {
    const { lines } = log;
    const result = lastIndex(lines, /^test result: FAILED\./);
    const until = lines.slice(0, Math.max(0, result));
    const listed = hitsOf(until, TEST);
    const hits = listed.length > 0 ? listed : hitsOf(until, OUTPUT); // cargo test --quiet
    const [first] = hits;
    if (first === undefined) return undefined;
    const name = first.groups[1] ?? "";
    const output = firstHit(lines, OUTPUT, first.at)?.at ?? first.at;
    const own = lines.findIndex(
      (line, at) => at >= first.at && line === `---- ${name} stdout ----`,
    );
    const at = own === -1 ? output : own;
    const next = firstHit(lines, /^(?:---- .* stdout ----|failures:)$/, at + 1);
    const to = Math.min((next?.at ?? result) - 1, at + 19);
    return {
      title: titleOf(name),
      place: panicIn(log, at, to),
      at,
      from: at,
      to,
      end: Math.max(result, lastIndex(lines, VERDICT), lastIndex(lines, /^ {4}`-p \S+ /)),
      also: othersOf(
        hits.map((hit) => ({ at: hit.at, title: titleOf(hit.groups[1] ?? "") })),
        { title: titleOf(name), at },
      ),
    };
  },
};

function panicIn(log: LogView, from: number, to: number): MatchPlace | null {
  const block = log.lines.slice(from, to + 1);
  const plain = firstHit(block, PANICKED);
  if (plain) return placeOf(log, plain.groups[2], plain.groups[3]);
  const older = firstHit(block, MESSAGE_END);
  return placeOf(log, older?.groups[1], older?.groups[2]);
}

/** A program that panicked outside of a test. */
export const rustPanic: Matcher = {
  tool: "rust",
  rank: "crash",
  signs: ["panicked at"],
  find(log) {
    const { lines } = log;
    const at = lastIndex(lines, /^thread '.{0,200} panicked at /);
    if (at === -1) return undefined;
    const line = lines[at] ?? "";
    const quoted = /panicked at '(.{1,400}?)'?(?:, [^\s']{1,300})?$/.exec(line)?.[1];
    const end = Math.max(
      at + 1,
      lastIndex(lines, /^note: (?:run with `RUST_BACKTRACE|Some details)/),
    );
    return {
      title: titleOf(`panicked: ${quoted ?? lines[at + 1] ?? ""}`),
      place: panicIn(log, at, at + 6),
      at,
      from: Math.max(0, at - 4),
      to: Math.min(end, at + 10),
      end,
    };
  },
};
