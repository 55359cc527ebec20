import { firstHit, lastIndex, placeOf, titleOf } from "./matcher.ts";
import type { Hit, LogView, Match, Matcher } from "./matcher.ts";

const NO_RULE =
  /^(?:g|b)?make(?:\[\d+\])?: \*\*\* (No rule to make target .{0,400}?)\.?(?: {1,2}Stop\.)?$/;
const MAKEFILE = /^([^\s:][^:]{0,300}):(\d{1,7}): \*\*\* (.{0,400}?)\.?(?: {1,2}Stop\.)?$/;

/** make starts a plain command itself, without a shell. */
const NO_COMMAND =
  /^(?:g|b)?make(?:\[\d+\])?: ([^\s:]{1,300}): (No such file or directory|Permission denied|Command not found)$/;

/** make's own mistakes: they are in the Makefile, or in a file that it misses. */
export const makefile: Matcher = {
  tool: "make",
  rank: "cause",
  signs: ["*** "],
  find(log) {
    const uncalled = firstHit(log.lines, NO_COMMAND);
    if (uncalled) return withoutCommand(log, uncalled);
    const mistake = firstHit(log.lines, MAKEFILE);
    if (mistake && !/^g?make/.test(mistake.groups[1] ?? "")) return inMakefile(log, mistake);
    const missing = firstHit(log.lines, NO_RULE);
    return missing && { ...one(missing.at), title: titleOf(missing.groups[1] ?? ""), place: null };
  },
};

function withoutCommand(log: LogView, { at, groups: [, name = "", why = ""] }: Hit): Match {
  const [, path, line] = ENDED.exec(log.lines[at + 1] ?? "") ?? [];
  const isMissing = why !== "Permission denied";
  return {
    ...one(at),
    title: titleOf(`${name}: ${isMissing ? "command not found" : why}`),
    place: placeOf(log, path, line),
    hint: isMissing ? `Install ${name} in the image, or call it by its path.` : null,
  };
}

function inMakefile(log: LogView, { at, groups: [, path, line, message = ""] }: Hit): Match {
  const isSeparator = message.startsWith("missing separator");
  return {
    ...one(at),
    title: titleOf(message),
    place: placeOf(log, path, line),
    hint: isSeparator ? "Commands of a rule start with a tab, not with spaces." : null,
  };
}

function one(at: number) {
  return { at, from: Math.max(0, at - 3), to: at, end: at };
}

/** `make: *** [Makefile:6: lint] Error 1`; the innermost make speaks first. */
const ENDED =
  /^(?:g|b)?make(?:\[\d+\])?: \*\*\* \[(?:([^\s:\]]{1,300}):(\d{1,7}): )?([^\]]{1,300})\] (?:Error (\d+)|(.{1,60}))/;

export const makeEnded: Matcher = {
  tool: "make",
  rank: "wrapper",
  signs: ["*** ["],
  find(log) {
    const first = firstHit(log.lines, ENDED);
    if (!first) return undefined;
    const { at, groups } = first;
    const [, path, line, target = "", code, word] = groups;
    return {
      title: titleOf(
        code === undefined ? `make ${target}: ${word}` : `make ${target} exited ${code}`,
      ),
      place: placeOf(log, path, line),
      at,
      from: Math.max(0, at - 12),
      to: at,
      end: Math.max(at, lastIndex(log.lines, /^(?:g|b)?make(?:\[\d+\])?: \*\*\* /)),
    };
  },
};
