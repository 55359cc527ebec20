import { NO_SHA } from "../domain/missed-push.ts";
import { pullRequestOf, pullRequestRef, type PullRequest } from "../domain/push.ts";
import type { GithubPulls, OpenPull, OpenPulls } from "../shared/forges/github-pulls.ts";
import type { Logger } from "../shared/logger.ts";
import { foundId } from "./found-id.ts";
import type { FoundDoor } from "./intake.ts";
import {
  forgetHeads,
  lastLook,
  missedAt,
  rememberHead,
  rememberHeads,
  type LastLook,
} from "./store/seen-heads.ts";
import type { Store } from "./store/store.ts";

export interface PullLooksDeps {
  readonly store: Store;
  readonly intake: FoundDoor;
  readonly pulls: GithubPulls;
  readonly logger: Logger;
}

/** What polled repos have of pull requests. */
export interface PullLooks {
  /** After a look at the repo's refs. True: again soon, for something is not certain or not done yet. */
  look(repo: string, everyMs: number, signal: AbortSignal): Promise<boolean>;
  /** Repos whose pull requests could not be asked for, and why. */
  problems(): readonly { readonly repo: string; readonly reason: string }[];
}

/** What is gone may be back at the next look: a list is read in pages, and changes meanwhile. */
const GRACE_MS = 30_000;
/** More waits for the next look, which follows soon. */
const FOUND_MAX = 20;
const NOT_ALLOWED_MS = 3_600_000;

/** Of one repo, between two looks; all of it may be lost with the process. */
interface Asked {
  notBeforeAt: number;
  problem: string | undefined;
  /** Refs that the list had, and no longer has, since when. */
  readonly gone: Map<string, number>;
}

export function createPullLooks(deps: PullLooksDeps): PullLooks {
  const { store, pulls, logger } = deps;
  const repos = new Map<string, Asked>();
  /** The credential's limit, which all repos share. */
  let notBeforeAt = 0;

  return {
    look: async (repo, everyMs, signal) => {
      const asked = repos.get(repo) ?? { notBeforeAt: 0, problem: undefined, gone: new Map() };
      repos.set(repo, asked);
      if (store.now() < Math.max(notBeforeAt, asked.notBeforeAt)) return false;
      const startedAt = store.now();
      const answer = await pulls.open(repo, signal);
      if (answer.kind === "done") {
        asked.problem = undefined;
        return await compare(deps, { repo, open: answer.value, asked, everyMs, startedAt });
      }
      if (asked.problem === undefined) {
        logger.warn({ repo, ...answer }, "A forge's pull requests could not be asked for");
      }
      asked.problem = answer.reason;
      if (answer.kind === "wait") notBeforeAt = store.now() + answer.afterMs;
      if (answer.kind === "not-allowed") asked.notBeforeAt = store.now() + NOT_ALLOWED_MS;
      return false;
    },
    problems: () =>
      [...repos].flatMap(([repo, { problem }]) =>
        problem === undefined ? [] : [{ repo, reason: problem }],
      ),
  };
}

interface Comparison {
  readonly repo: string;
  readonly open: OpenPulls;
  readonly asked: Asked;
  readonly everyMs: number;
  readonly startedAt: number;
}

async function compare(deps: PullLooksDeps, comparison: Comparison): Promise<boolean> {
  const { store } = deps;
  const { repo, open, startedAt } = comparison;
  const last = await lastLook(store, repo);
  const missed: Missed[] = [];
  const settled: { readonly repo: string; readonly ref: string; readonly sha: string }[] = [];
  for (const pull of open.pulls) {
    const ref = pullRequestRef(pull.number);
    const head = { repo, ref, sha: pull.headSha };
    if (last.seen.get(ref)?.sha === head.sha && !last.movedRefs.has(ref)) continue;
    // What was open before the repo was first looked at is as little missed as its branches are.
    const since = { isFirst: pull.openedAt < (last.firstAt ?? 0), startedAt };
    if ((await missedAt(store, head, since)) === undefined) settled.push(head);
    else missed.push({ head, pull, since });
  }
  for (const one of missed.slice(0, FOUND_MAX)) await recordFound(deps, one);
  const isUnsure = await recordGone(deps, comparison, last);
  await store.write((tx) => rememberHeads(tx, repo, { startedAt, heads: settled }));
  return isUnsure || missed.length > FOUND_MAX;
}

interface Missed {
  readonly head: { readonly repo: string; readonly ref: string; readonly sha: string };
  readonly pull: OpenPull;
  readonly since: { readonly isFirst: boolean; readonly startedAt: number };
}

/** Becomes a delivery like any other. */
async function recordFound(
  { store, intake, logger }: PullLooksDeps,
  { head, pull, since }: Missed,
): Promise<void> {
  const { repo, ref, sha } = head;
  const deliveryId = foundId("poll", [repo, ref, sha, String(store.now())]);
  const found = { ...FACTS, deliveryId, foundBy: "poll" } as const;
  const result = await intake.acceptFoundPullRequest(found, async (tx) => {
    const missed = await missedAt(tx, head, since);
    if (missed === undefined) return undefined;
    await rememberHead(tx, head, tx.now());
    return pullRequest(repo, pull, missed.before);
  });
  if (result !== undefined) logger.info({ repo, ref, sha, ...result }, "A pull request was found");
}

const FACTS = { forge: "github", event: "pull_request", bodyDigest: null } as const;

function pullRequest(repo: string, pull: OpenPull, before: string): PullRequest {
  const { openedAt: _, ...facts } = pull;
  const isNew = before === NO_SHA;
  return {
    ...facts,
    forge: "github",
    repo,
    action: isNew ? "opened" : "updated",
    before: isNew ? null : before,
    sender: "found by polling",
    // A list does not say who pushed, and to a fork others may push than its pull request's author.
    isAuthorKnown: false,
  };
}

/** Those that were open, and are no longer. True: some are not certain yet. */
async function recordGone(
  { store, intake, logger }: PullLooksDeps,
  { repo, open, asked, everyMs, startedAt }: Comparison,
  last: LastLook,
): Promise<boolean> {
  if (!open.isWhole) return false;
  const missing = [...last.seen.values()].filter(({ ref }) => {
    const number = pullRequestOf(ref);
    return number !== undefined && !open.numbers.has(number);
  });
  forgetPresent(asked.gone, missing);
  for (const { ref, sha, seenAt } of missing) {
    const goneAt = asked.gone.get(ref) ?? startedAt;
    asked.gone.set(ref, goneAt);
    if (Math.abs(startedAt - goneAt) < Math.min(GRACE_MS, everyMs)) continue;
    const number = pullRequestOf(ref) ?? 0;
    const deliveryId = foundId("poll", [repo, ref, "closed", sha, String(seenAt)]);
    await intake.acceptClosed({ ...FACTS, deliveryId, repo, number });
    await store.write((tx) => forgetHeads(tx, repo, [ref]));
    asked.gone.delete(ref);
    logger.info({ repo, ref }, "A pull request is closed");
  }
  return asked.gone.size > 0;
}

function forgetPresent(gone: Map<string, number>, missing: readonly { readonly ref: string }[]) {
  const still = new Set(missing.map(({ ref }) => ref));
  for (const ref of gone.keys()) if (!still.has(ref)) gone.delete(ref);
}
