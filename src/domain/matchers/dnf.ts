import { firstHit, hitsOf, lastIndex, othersOf, titleOf } from "./matcher.ts";
import type { Hit, LogView, Match, Matcher } from "./matcher.ts";

const NOTHING = /^ *-* *(nothing provides .{1,300}?) needed by (\S{1,300})(?: from \S+)?$/;
const CONFLICT =
  /^ *-* *(?:cannot install both|package \S+ .{0,200}(?:conflicts with|obsoletes)) .{1,300}$/;
const NO_MATCH =
  /^(?:No match for argument: |Error: Unable to find a match: |No package |Unable to find a match: )(\S{1,200})(?: available\.?)?/;
const END =
  /^(?:Error|Problem|Failed to resolve|You can try|\(try to add|No match for|No package|Unable to find| - | {2}- |\s*$)/;

/** dnf 4, dnf 5 and yum: what cannot be resolved. */
export const dnf: Matcher = {
  tool: "dnf",
  rank: "cause",
  signs: [
    "nothing provides",
    "No match for argument",
    "Unable to find a match",
    "No package ",
    "conflicting requests",
    "cannot install both",
  ],
  find(log) {
    return unresolved(log) ?? noMatch(log);
  },
};

function unresolved(log: LogView): Match | undefined {
  const hits = hitsOf(log.lines, NOTHING);
  const [first = firstHit(log.lines, CONFLICT)] = hits;
  if (first === undefined) return undefined;
  const found = hits.map((hit) => ({ at: hit.at, title: saidBy(hit, log.lines) }));
  const chosen = { at: first.at, title: saidBy(first, log.lines) };
  return {
    ...chosen,
    place: null,
    from: Math.max(0, first.at - 2),
    to: Math.min(log.lines.length - 1, first.at + 8),
    end: Math.max(first.at, lastIndex(log.lines, END)),
    hint: "The repositories that are enabled do not have it: enable the one that does, or lower the requirement.",
    also: othersOf(found, chosen),
  };
}

function saidBy({ at, groups: [, what, by] }: Hit, lines: readonly string[]): string {
  if (what === undefined) return titleOf((lines[at] ?? "").replace(/^[\s-]+/, ""));
  return titleOf(`${what}, needed by ${by}`);
}

function noMatch(log: LogView): Match | undefined {
  const hits = hitsOf(log.lines, NO_MATCH);
  const found = hits.map(({ at, groups: [, name = ""] }) => ({
    at,
    title: `no package named ${name}`,
  }));
  const [first] = found;
  if (
    first === undefined ||
    lastIndex(log.lines, /Unable to find a match|Nothing to do|Failed to resolve/) === -1
  ) {
    return undefined;
  }
  return {
    ...first,
    place: null,
    from: Math.max(0, first.at - 2),
    to: Math.min(log.lines.length - 1, first.at + 5),
    end: Math.max(
      first.at,
      lastIndex(
        log.lines,
        /^(?:Error: |No match for|Unable to find|Failed to resolve|You can try)/,
      ),
    ),
    hint: "Check the name, or enable the repository that has it.",
    also: othersOf(found, first),
  };
}
