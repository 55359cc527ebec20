import { bestOf, firstHit, hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { Hit, LogView, MatchPlace, Matcher } from "./matcher.ts";

const PACKAGE = /^# (\S{1,300})(?: \[\S{1,300}\])?$/;
const MISTAKE =
  /^(?:vet: )?(?:\.\/)?([^\s:]{1,400}\.(?:go|s|c|h)):(\d{1,7})(?::\d{1,7})?: (.{1,400})$/;
const MISSING =
  /no required module provides package|cannot find (?:module|package)|is not in (?:GOROOT|std)|missing go\.sum entry/;

/** `go build`, `go vet` and tests that cannot be compiled. */
export const goBuild: Matcher = {
  tool: "go build",
  rank: "cause",
  signs: [".go:"],
  find(log) {
    const { lines } = log;
    const start = firstHit(lines, PACKAGE)?.at ?? -1;
    const hits = hitsOf(lines, MISTAKE, start + 1);
    const own = start === -1 ? hits.filter(({ groups }) => MISSING.test(groups[3] ?? "")) : hits;
    const found = own.map((hit) => mistakeOf(log, hit));
    const chosen = bestOf(found);
    if (chosen === undefined) return undefined;
    const { at, title, place } = chosen;
    const last = found.at(-1)?.at ?? at;
    const from = PACKAGE.test(lines[at - 1] ?? "") ? at - 1 : at;
    return {
      title,
      place,
      at,
      from,
      to: Math.min(last, from + 19),
      end: Math.max(
        last,
        lastIndex(lines, /^(?:FAIL(?:\s|$)|note: module requires|\ttoo many errors)/),
      ),
      hint:
        MISSING.test(title) && !title.includes("is not in")
          ? "Run `go mod tidy` and commit go.mod and go.sum."
          : null,
      also: othersOf(found, chosen),
    };
  },
};

function mistakeOf(log: LogView, { at, groups: [, path, line, message = ""] }: Hit) {
  return { at, title: titleOf(message), place: placeOf(log, path, line) };
}

const FAILED = /^ *--- FAIL: (\S{1,300}) \([\d.]+s\)$/;
const SAID = /^ +([^\s:]{1,300}\.go):(\d{1,7}): (.{0,400})$/;
const PANIC = /^panic: (.{1,400})$/;
const FRAME = /^\t([^\s:]{1,400}\.go):(\d{1,7})(?: \+0x[0-9a-f]+)?$/;

/** `go test`: what failed, the lines that it said, or the panic that ended it. */
export const goTest: Matcher = {
  tool: "go test",
  rank: "cause",
  signs: ["--- FAIL: ", "panic: "],
  find(log) {
    const { lines } = log;
    const panic = firstHit(lines, PANIC);
    const hits = hitsOf(lines, FAILED);
    const leaf = hits.find((hit, index) => !isParent(hit, hits[index + 1]));
    if (leaf === undefined || (panic && panic.at < leaf.at)) return panic && panicOf(log, panic);
    if (panic && panic.at === leaf.at + 1) {
      const broken = panicOf(log, panic);
      return { ...broken, title: titleOf(`${leaf.groups[1]}: ${broken.title}`), from: leaf.at };
    }
    const next = firstHit(lines, /^ *(?:--- |===|FAIL|ok|PASS|panic:|exit status)/, leaf.at + 1);
    const to = Math.min((next?.at ?? lines.length) - 1, leaf.at + 19);
    const chosen = { at: leaf.at, title: titleOf(leaf.groups[1] ?? "") };
    const said = saidBy(log, leaf.at, to);
    const others = hits
      .filter((hit, index) => !isParent(hit, hits[index + 1]))
      .map((hit) => ({ at: hit.at, title: titleOf(hit.groups[1] ?? "") }));
    return {
      ...chosen,
      place: said.place,
      from: said.from,
      to: Math.max(to, leaf.at),
      end: Math.max(to, lastIndex(lines, /^(?:FAIL(?:\s|$)|exit status \d+$|ok {2})/)),
      also: othersOf(others, chosen),
    };
  },
};

function isParent({ groups: [, name = ""] }: Hit, next: Hit | undefined): boolean {
  return next?.groups[1]?.startsWith(`${name}/`) ?? false;
}

/** Below the test's name; with -v it stands above it. */
function saidBy(log: LogView, at: number, to: number) {
  const below = firstHit(log.lines, SAID, at, to + 1);
  if (below) return { place: inPackage(log, below), from: at };
  let from = at;
  let place: MatchPlace | null = null;
  while (from > 0 && at - from < 15 && /^ {4,}\S|^--- FAIL: /.test(log.lines[from - 1] ?? "")) {
    from -= 1;
    const said = SAID.exec(log.lines[from] ?? "");
    if (said) place = inPackage(log, { at: from, groups: said });
  }
  return { place, from };
}

/** go test prints only the file's name; the package stands in the line `FAIL package 0.1s` below. */
function inPackage(log: LogView, { at, groups: [, file = "", line] }: Hit): MatchPlace | null {
  const name = firstHit(log.lines, /^(?:FAIL|ok {2})\t(\S{1,300})/, at)?.groups[1] ?? "";
  const folders = name.split("/");
  for (let skipped = 1; skipped < folders.length; skipped++) {
    const place = placeOf(log, `${folders.slice(skipped).join("/")}/${file}`, line);
    if (place !== null) return place;
  }
  return placeOf(log, file, line);
}

function panicOf(log: LogView, { at, groups: [, message = ""] }: Hit) {
  const { lines } = log;
  const end = lastIndex(
    lines,
    /^(?:FAIL(?:\s|$)|exit status \d+$|\t\S+\.go:\d+|created by |goroutine \d+)/,
  );
  const frames = hitsOf(lines.slice(at, at + 60), FRAME);
  const place = frames.flatMap(({ groups }) => placeOf(log, groups[1], groups[2]) ?? [])[0] ?? null;
  return {
    title: titleOf(`panic: ${message.replace(/ \[recovered.*$/, "")}`),
    place,
    at,
    from: at,
    to: Math.min(Math.max(end, at), at + 19),
    end: Math.max(end, at),
  };
}
