import { githubHooks } from "../shared/forges/github-hooks.ts";
import { githubPulls } from "../shared/forges/github-pulls.ts";
import { createPullLooks } from "./forge-pulls.ts";
import { createForgeSweep, type SweepProblem } from "./forge-sweep.ts";
import type { Parts } from "./parts.ts";
import { countMissed, type MissedCounts } from "./store/missed-deliveries.ts";

/** What `/healthz` and the home page say about pushes that nobody delivered. */
export interface MissedPushes extends MissedCounts {
  /** Repos that cannot be looked at. */
  readonly problems: readonly SweepProblem[];
  /** Repos whose failed deliveries are not asked for again. */
  readonly hookProblems: readonly Pick<SweepProblem, "repo" | "reason">[];
  /** Polled repos whose pull requests cannot be asked for. */
  readonly pullProblems: readonly Pick<SweepProblem, "repo" | "reason">[];
  readonly isPolling: boolean;
  /** Polling is asked for, and no repo is named exactly. */
  readonly isPollingNothing: boolean;
}

export const NOTHING_MISSED: MissedPushes = {
  missed: 0,
  recovered: 0,
  problems: [],
  hookProblems: [],
  pullProblems: [],
  isPolling: false,
  isPollingNothing: false,
};
const PROBLEMS_MAX = 5;

/** `namesRepos`: to whoever may know which repos there are. */
export function missedWarnings(missed: MissedPushes, namesRepos: boolean): readonly string[] {
  const open = missed.missed - missed.recovered;
  const { problems, hookProblems } = missed;
  const polled = problems.filter(({ foundBy }) => foundBy === "poll");
  const swept = problems.filter(({ foundBy }) => foundBy === "sweep");
  return [
    ...(open > 0 ? [`${open} deliveries that were missed are not recovered yet`] : []),
    ...some(polled, namesRepos, {
      one: ({ repo, reason }) => `${repo} cannot be polled, and is tried less often: ${reason}`,
      more: {
        one: "repo cannot be polled, and is tried less often",
        many: "repos cannot be polled, and are tried less often",
      },
    }),
    ...some(swept, namesRepos, {
      one: ({ repo, reason }) =>
        `${repo} cannot be looked at for missed pushes, and is tried less often: ${reason}. If it is gone, add !${repo} to TATARA_REPOS.`,
      more: {
        one: "repo cannot be looked at for missed pushes, and is tried less often",
        many: "repos cannot be looked at for missed pushes, and are tried less often",
      },
    }),
    ...some(hookProblems, namesRepos, {
      one: ({ repo, reason }) =>
        `failed deliveries of ${repo} are not asked for again: ${reason}. Look at the repo's webhook and at what TATARA_GITHUB_HOOK_TOKEN may see.`,
      more: {
        one: "repo has failed deliveries that cannot be asked for again: look at what TATARA_GITHUB_HOOK_TOKEN may see",
        many: "repos have failed deliveries that cannot be asked for again: look at what TATARA_GITHUB_HOOK_TOKEN may see",
      },
    }),
    ...some(missed.pullProblems, namesRepos, {
      one: ({ repo, reason }) =>
        `pull requests of ${repo} are not found by polling: ${reason}. TATARA_GITHUB_READ_TOKEN must be allowed to read them.`,
      more: {
        one: "repo has pull requests that cannot be asked for: look at what TATARA_GITHUB_READ_TOKEN may read",
        many: "repos have pull requests that cannot be asked for: look at what TATARA_GITHUB_READ_TOKEN may read",
      },
    }),
    ...(missed.isPollingNothing
      ? ["TATARA_POLL_SECONDS is set, and TATARA_REPOS names no repo exactly: nothing is polled"]
      : []),
  ];
}

type Problem = Pick<SweepProblem, "repo" | "reason">;

/** After a number: `repo is …`, `repos are …`. */
interface OneOrMany {
  readonly one: string;
  readonly many: string;
}

/** Some by their names, the rest as a number. */
function some(
  problems: readonly Problem[],
  namesRepos: boolean,
  { one, more }: { readonly one: (problem: Problem) => string; readonly more: OneOrMany },
): readonly string[] {
  const named = namesRepos ? problems.slice(0, PROBLEMS_MAX) : [];
  const others = problems.length - named.length;
  if (others === 0) return named.map(one);
  const words = others === 1 ? more.one : more.many;
  return [...named.map(one), `${others} ${named.length > 0 ? "more " : ""}${words}`];
}

/** The sweep, made of the server's parts and settings. */
export function openForgeSweep(parts: Parts) {
  const { config, store, now } = parts;
  const { githubHookToken: token, githubApiUrl: apiUrl, publicUrl, pollMs } = config;
  const isWebhookOn = config.githubWebhookSecrets.length > 0;
  const readToken = config.githubReadToken;
  const pulls =
    readToken === undefined
      ? undefined
      : createPullLooks({ ...parts, pulls: githubPulls({ apiUrl, token: readToken, now }) });
  const sweep = createForgeSweep({
    ...parts,
    refs: parts.forgeRefs,
    ...(pulls === undefined ? {} : { pulls }),
    ...(token === undefined ? {} : { hooks: githubHooks({ apiUrl, token, publicUrl, now }) }),
    repos: config.repos,
    sweepMs: isWebhookOn ? config.sweepMs : 0,
    pollMs,
  });
  const report = async (): Promise<MissedPushes> => ({
    ...(await countMissed(store)),
    problems: sweep.problems(),
    hookProblems: sweep.hookProblems(),
    pullProblems: pulls?.problems() ?? [],
    isPolling: pollMs > 0,
    isPollingNothing: pollMs > 0 && config.repos.every((pattern) => /[*!]/.test(pattern)),
  });
  return { ...sweep, report };
}
