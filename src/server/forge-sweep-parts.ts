import { githubHooks } from "../shared/forges/github-hooks.ts";
import { createForgeSweep, type SweepProblem } from "./forge-sweep.ts";
import type { Parts } from "./parts.ts";
import { countMissed, type MissedCounts } from "./store/missed-deliveries.ts";

/** What `/healthz` and the home page say about pushes that nobody delivered. */
export interface MissedPushes extends MissedCounts {
  /** Only of repos that are polled: those have nothing else. */
  readonly problems: readonly SweepProblem[];
  readonly isPolling: boolean;
  /** Polling is asked for, and no repo is named exactly. */
  readonly isPollingNothing: boolean;
}

export const NOTHING_MISSED: MissedPushes = {
  missed: 0,
  recovered: 0,
  problems: [],
  isPolling: false,
  isPollingNothing: false,
};
const PROBLEMS_MAX = 5;

/** `namesRepos`: to whoever may know which repos there are. */
export function missedWarnings(missed: MissedPushes, namesRepos: boolean): readonly string[] {
  const open = missed.missed - missed.recovered;
  const { problems } = missed;
  const named = namesRepos ? problems.slice(0, PROBLEMS_MAX) : [];
  const others = problems.length - named.length;
  return [
    ...(open > 0 ? [`${open} deliveries that were missed are not recovered yet`] : []),
    ...named.map(
      ({ repo, reason }) => `${repo} cannot be polled, and is tried less often: ${reason}`,
    ),
    ...(others > 0
      ? [
          `${others} ${named.length > 0 ? "more " : ""}repos cannot be polled, and are tried less often`,
        ]
      : []),
    ...(missed.isPollingNothing
      ? ["TATARA_POLL_SECONDS is set, and TATARA_REPOS names no repo exactly: nothing is polled"]
      : []),
  ];
}

/** The sweep, made of the server's parts and settings. */
export function openForgeSweep(parts: Parts) {
  const { config, store, now } = parts;
  const { githubHookToken: token, githubApiUrl: apiUrl, publicUrl, pollMs } = config;
  const isWebhookOn = config.githubWebhookSecrets.length > 0;
  const sweep = createForgeSweep({
    ...parts,
    refs: parts.forgeRefs,
    ...(token === undefined ? {} : { hooks: githubHooks({ apiUrl, token, publicUrl, now }) }),
    repos: config.repos,
    sweepMs: isWebhookOn ? config.sweepMs : 0,
    pollMs,
  });
  const report = async (): Promise<MissedPushes> => ({
    ...(await countMissed(store)),
    problems: sweep.problems().filter(({ foundBy }) => foundBy === "poll"),
    isPolling: pollMs > 0,
    isPollingNothing: pollMs > 0 && config.repos.every((pattern) => /[*!]/.test(pattern)),
  });
  return { ...sweep, report };
}
