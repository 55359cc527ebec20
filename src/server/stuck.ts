import type { CommitState } from "../domain/commit-status.ts";

/** A commit status that its forge will never take. */
export interface RefusedStatus {
  /** What the commit was to show. */
  readonly state: CommitState;
  /** The forge's answer. */
  readonly reason: string;
  readonly at: number;
}

/** Of the last 7 days. */
export interface RefusedStatuses {
  readonly count: number;
  readonly last: { readonly repo: string; readonly number: number; readonly reason: string };
}

/** Publish requests that could run, and have waited for over ten minutes. */
export interface StuckPublishes {
  readonly oldestAt: number;
  /** A publish worker has asked for work in the last minute, or is busy. */
  readonly hasWorker: boolean;
}

/** Commit statuses that could be posted, and have waited for over ten minutes. */
export interface StuckStatuses {
  readonly oldestAt: number;
  /** Of the oldest. */
  readonly repo: string;
  /** What came of its last try; null: there was none. */
  readonly problem: string | null;
}

/** What does not come on, of all that is counted. */
export interface StuckCounts {
  /** Publish requests that are not live yet. */
  readonly publishesWaiting: number;
  /** Commit statuses that are not sent yet. */
  readonly statusesWaiting: number;
  readonly refusedStatuses: RefusedStatuses | null;
  readonly stuckPublishes: StuckPublishes | null;
  readonly stuckStatuses: StuckStatuses | null;
}

/** What to do when a forge says no to a status for good. */
export const CHECK_STATUS_TOKEN =
  "Check what the status token (TATARA_GITHUB_STATUS_TOKEN) may write, then run the build again.";

/**
 * What does not come on and says so nowhere else: sentences for `/healthz` and the home page, each with
 * what to do. `namesRepos`: to whoever may know which repos there are.
 */
export function stuckWarnings(counts: StuckCounts, namesRepos: boolean): readonly string[] {
  return [
    ...publishWarning(counts),
    ...statusWarning(counts, namesRepos),
    ...refusedWarning(counts.refusedStatuses, namesRepos),
  ];
}

function publishWarning({ publishesWaiting, stuckPublishes }: StuckCounts): readonly string[] {
  if (stuckPublishes === null) return [];
  const what = `A publish request has waited for over 10 minutes (open: ${publishesWaiting})`;
  return [
    stuckPublishes.hasWorker
      ? `${what} although a publish worker is there. Look at its log.`
      : `${what}: no publish worker asks for work. Look whether it runs, and at its log.`,
  ];
}

function statusWarning(
  { statusesWaiting, stuckStatuses }: StuckCounts,
  namesRepos: boolean,
): readonly string[] {
  if (stuckStatuses === null) return [];
  const { repo, problem } = stuckStatuses;
  const what = `A commit status has waited for over 10 minutes (waiting: ${statusesWaiting})`;
  const todo = "Look whether the report worker runs, and at its log.";
  if (!namesRepos) return [`${what}. ${todo}`];
  const why = problem === null ? "nobody has tried to post it" : `the last try ended ${problem}`;
  return [`${what}; ${repo}: ${why}. ${todo}`];
}

function refusedWarning(refused: RefusedStatuses | null, namesRepos: boolean): readonly string[] {
  if (refused === null) return [];
  const { count, last } = refused;
  const what = `Commit statuses that their forge refused for good in the last 7 days: ${count}`;
  const named = namesRepos ? `; the last is ${last.repo} #${last.number}: ${last.reason}` : "";
  return [`${what}${named}. ${CHECK_STATUS_TOKEN}`];
}

/** For the page of the build whose status it is. */
export function refusedText({ state, reason }: RefusedStatus): string {
  return `The commit does not show "${state}", and will not: the forge refused it (${reason}). ${CHECK_STATUS_TOKEN}`;
}
