import { isConsequence } from "./log-consequences.ts";
import { MATCHERS } from "./matchers/all-matchers.ts";
import type { LogView, Match, Matcher } from "./matchers/matcher.ts";

/** A failure in words that we know, and how sure it is that it ended the step. */
export interface KnownFailure {
  readonly tool: string;
  readonly rank: Matcher["rank"];
  readonly match: Match;
  /** Nothing but consequences follows it: a step ends at the first command that fails. */
  readonly isLast: boolean;
  /** The test of a wrapper (ctest) in whose output it stands. */
  readonly inside: string | null;
}

const RANK = { cause: 2, crash: 1, wrapper: 0 } as const satisfies Record<Matcher["rank"], number>;

/**
 * The failure that ended the step, if a known tool told it. What is followed by other words than its
 * consequences may have been expected, or passed over; it counts only when nothing better is found.
 */
export function knownFailure(log: LogView): KnownFailure | undefined {
  const found = matchesOf(log);
  const wrappers = found.filter(({ rank }) => rank === "wrapper").map(({ match }) => match);
  const failures = found.map((one) => ({
    ...one,
    isLast: isLast(log.lines, one.match, wrappers),
    inside: one.rank === "crash" ? testAround(one.match, found) : null,
  }));
  return failures.toSorted(byWorth)[0];
}

function matchesOf(log: LogView) {
  const text = log.lines.join("\n");
  return MATCHERS.flatMap(({ tool, rank, signs, find }) => {
    if (!signs.some((sign) => text.includes(sign))) return [];
    const match = find(log);
    return match === undefined ? [] : [{ tool, rank, match }];
  });
}

function testAround(
  { at }: Match,
  found: readonly { readonly tool: string; readonly match: Match }[],
): string | null {
  const around = found.find(
    ({ tool, match }) => tool === "ctest" && match.from < at && at <= match.to,
  );
  return around?.match.title ?? null;
}

function isLast(lines: readonly string[], match: Match, wrappers: readonly Match[]): boolean {
  const isExplained = (line: string, at: number): boolean =>
    isConsequence(line) || wrappers.some((wrapper) => wrapper.at <= at && at <= wrapper.end);
  return lines
    .slice(match.end + 1)
    .every((line, offset) => isExplained(line, match.end + 1 + offset));
}

function byWorth(a: KnownFailure, b: KnownFailure): number {
  if (a.isLast !== b.isLast) return a.isLast ? -1 : 1;
  if (a.isLast) return RANK[b.rank] - RANK[a.rank];
  const byRank = Number(b.rank !== "wrapper") - Number(a.rank !== "wrapper");
  return byRank === 0 ? b.match.end - a.match.end : byRank;
}
