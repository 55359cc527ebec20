import { firstHit, hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { Matcher } from "./matcher.ts";

const DIED =
  /^(.{1,600}?) at ([^\s,][^,]{0,300}?) line (\d{1,7})(?:, <\w+> (?:line|chunk) \d+)?\.$/;
const COMPILATION =
  /^(?:BEGIN failed--|.{1,300} had compilation errors\.|Execution of .{1,300} aborted)/;
const LOCATE = /^Can't locate (\S{1,200}) in @INC/;

/** perl: `message at file line 12.` A warning looks the same, so only an ending is believed. */
export const perl: Matcher = {
  tool: "perl",
  rank: "crash",
  signs: [" line "],
  find(log) {
    const { lines } = log;
    const compilation = lastIndex(lines, COMPILATION);
    const located = firstHit(lines, LOCATE);
    if (located) return missingModule(log, located.at, located.groups[1] ?? "", compilation);
    const until = compilation === -1 ? lines.length : compilation;
    const hits = hitsOf(lines.slice(0, until), DIED).filter(({ groups }) => !isQuoted(groups[1]));
    const hit = compilation === -1 ? hits.at(-1) : hits[0];
    if (hit === undefined) return undefined;
    const { at, groups } = hit;
    const place = placeOf(log, groups[2], groups[3]);
    if (place === null && compilation === -1) return undefined;
    return {
      title: titleOf(groups[1] ?? ""),
      place,
      at,
      from: Math.max(0, at - 5),
      to: Math.max(at, Math.min(compilation, at + 8)),
      end: Math.max(at, compilation),
      isGuess: compilation === -1,
    };
  },
};

/** Comments of TAP, and assertions of other tools. */
function isQuoted(text: string | undefined): boolean {
  return /^(?:#|\s|at\b|BEGIN failed)/.test(text ?? "");
}

function missingModule(
  log: Parameters<Matcher["find"]>[0],
  at: number,
  file: string,
  compilation: number,
) {
  const name = file.replace(/\.pm$/, "").replaceAll("/", "::");
  const line = log.lines[at] ?? "";
  const said =
    / at ([^\s,()]{1,300}) line (\d{1,7})\.$/.exec(line.slice(-400)) ??
    / at ([^\s,()]{1,300}) line (\d{1,7})\.$/.exec((log.lines[compilation] ?? "").slice(-400));
  return {
    title: titleOf(`Can't locate ${file} in @INC`),
    place: placeOf(log, said?.[1], said?.[2]),
    at,
    from: Math.max(0, at - 2),
    to: Math.max(at, Math.min(compilation, at + 8)),
    end: Math.max(at, compilation),
    hint: `Install the Perl module ${name} in the image.`,
  };
}

const FAILED = /^ *# {3}Failed (?:\([^)]{1,40}\) )?test '(.{1,300})'$/;
const AT = /^ *# {3}(?:at|in) ([^\s].{0,300}?) (?:at )?line (\d{1,7})\.$/;
const FAILED_AT =
  /^ *# {3}Failed (?:\([^)]{1,40}\) )?test (?:\(?in |at )?([^\s'].{0,300}?) (?:at )?line (\d{1,7})\.?\)?$/;

/** Test::More under prove, which prints only what failed. */
export const prove: Matcher = {
  tool: "prove",
  rank: "cause",
  signs: ["Result: FAIL", "Looks like you failed", "Dubious, test returned"],
  find(log) {
    const { lines } = log;
    const named = hitsOf(lines, FAILED);
    const [first = firstHit(lines, FAILED_AT)] = named;
    if (first === undefined) return undefined;
    const { at, groups } = first;
    const [, path, line] = AT.exec(lines[at + 1] ?? "") ?? (groups[2] === undefined ? [] : groups);
    const title = titleOf(groups[2] === undefined ? (groups[1] ?? "") : "test without a name");
    const next = firstHit(lines, /^(?! *#)|^ *# {3}Failed|^ *# Looks like/, at + 1);
    return {
      title,
      place: placeOf(log, path, line),
      at,
      from: at,
      to: Math.min((next?.at ?? lines.length) - 1, at + 19),
      end: Math.max(
        at,
        lastIndex(
          lines,
          /^(?:Result: FAIL|# Looks like you failed|Files=\d|1\.\.\d+|(?:not )?ok )/,
        ),
      ),
      also: othersOf(
        named.map((hit) => ({ at: hit.at, title: titleOf(hit.groups[1] ?? "") })),
        { title, at },
      ),
    };
  },
};
