import { pullRequestOf } from "../domain/push.ts";
import { repoMatcher } from "../domain/repo-patterns.ts";
import type { GithubHooks } from "../shared/forges/github-hooks.ts";
import type { Logger } from "../shared/logger.ts";
import { askForMissed, createHookPauses, type HookPauses } from "./forge-redelivery.ts";
import type { PullLooks } from "./forge-pulls.ts";
import type { ForgeRef, ForgeRefList, ForgeRefs } from "./forge-refs.ts";
import { foundId } from "./found-id.ts";
import type { FoundDoor } from "./intake.ts";
import type { FoundBy } from "./intake-types.ts";
import { settleMissed } from "./store/missed-deliveries.ts";
import {
  githubRepos,
  isOwnRepo,
  lastLook,
  missedAt,
  rememberHead,
  rememberLook,
  type HeadAt,
  type LastLook,
} from "./store/seen-heads.ts";
import type { Store } from "./store/store.ts";

export interface ForgeSweepDeps {
  readonly store: Store;
  readonly intake: FoundDoor;
  readonly refs: ForgeRefs;
  /** Absent: there is no credential for them. */
  readonly hooks?: GithubHooks;
  /** Absent: there is no credential for them. */
  readonly pulls?: PullLooks;
  /** `TATARA_REPOS`. */
  readonly repos: readonly string[];
  /** 0: never. */
  readonly sweepMs: number;
  /** For repos that are named exactly; 0: never. */
  readonly pollMs: number;
  readonly logger: Logger;
}

export interface ForgeSweep {
  start(): void;
  /** Repos that could not be looked at, and why. */
  problems(): readonly SweepProblem[];
  /** Repos whose failed deliveries are not asked for again, and why. */
  hookProblems(): readonly Pick<SweepProblem, "repo" | "reason">[];
  close(): void;
}

export interface SweepProblem {
  readonly repo: string;
  readonly reason: string;
  readonly foundBy: FoundBy;
}

/** A delivery may be on its way; what is not here after that was missed. */
const GRACE_MS = 30_000;
const AT_ONCE_MAX = 3;
/** More that was missed waits for the next look, which follows soon. */
const FOUND_MAX = 20;
const BACKOFF_MAX_MS = 6 * 3_600_000;
/** How long nobody needs to look at the clock. */
const IDLE_MS = 60_000;
const REASON_MAX = 300;

/** What is remembered of a repo between two looks; all of it may be lost with the process. */
interface Watched {
  readonly repo: string;
  readonly foundBy: FoundBy;
  readonly everyMs: number;
  dueAt: number;
  /** A clock that shows less was set back since, and `dueAt` says nothing. */
  lookedAt: number;
  failures: number;
  problem: string | undefined;
  /** Heads that are new to us, and since when. */
  readonly unsure: Map<string, { readonly sha: string; readonly since: number }>;
}

/**
 * Finds what no delivery told: deliveries that failed are asked for again, and refs are compared with
 * the pushes on record. Its own failures cost nobody anything: a repo that cannot be looked at is
 * looked at less often.
 */
export function createForgeSweep(deps: ForgeSweepDeps): ForgeSweep {
  const { store, logger } = deps;
  const watched = new Map<string, Watched>();
  const pauses = createHookPauses();
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;

  const round = async (): Promise<void> => {
    await watchKnown(deps, watched);
    const now = store.now();
    const due = [...watched.values()].filter(
      ({ dueAt, lookedAt }) => dueAt <= now || now < lookedAt,
    );
    const looks = due.values();
    const lane = async (): Promise<void> => {
      for (const one of looks) {
        if (stop.signal.aborted) return;
        await lookSafely(one);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE_MAX }, lane));
    if (due.length > 0) await store.write(settleMissed);
  };

  const lookSafely = async (one: Watched): Promise<void> => {
    try {
      const isOpen = await look(deps, one, pauses, stop.signal);
      const hasMore = await lookAtPulls(deps, one, stop.signal);
      const soon = isOpen || hasMore;
      one.failures = 0;
      one.problem = undefined;
      one.lookedAt = store.now();
      one.dueAt = store.now() + (soon ? Math.min(GRACE_MS, one.everyMs) : one.everyMs);
    } catch (err) {
      if (stop.signal.aborted) return;
      one.failures += 1;
      one.lookedAt = store.now();
      const backoffMs = Math.min(BACKOFF_MAX_MS, one.everyMs * 2 ** (one.failures - 1));
      one.dueAt = store.now() + Math.max(backoffMs, one.everyMs);
      if (one.problem === undefined) {
        logger.warn({ err, repo: one.repo }, "A forge's repo could not be looked at");
      }
      one.problem = reasonOf(err);
    }
  };

  const turn = (): void => {
    round()
      .catch((err: unknown) => {
        if (!stop.signal.aborted) logger.warn({ err }, "Missed pushes could not be looked for");
      })
      .finally(() => {
        if (stop.signal.aborted) return;
        const nextAt = Math.min(...[...watched.values()].map(({ dueAt }) => dueAt), Infinity);
        const idleMs = Math.min(IDLE_MS, deps.sweepMs || IDLE_MS, deps.pollMs || IDLE_MS);
        const waitMs = Math.min(Math.max(nextAt - store.now(), 100), idleMs);
        timer = setTimeout(turn, waitMs);
        timer.unref();
      });
  };

  return {
    start: () => {
      if (deps.sweepMs > 0 || deps.pollMs > 0) turn();
    },
    problems: () =>
      [...watched.values()].flatMap(({ repo, problem, foundBy }) =>
        problem === undefined ? [] : [{ repo, reason: problem, foundBy }],
      ),
    hookProblems: () => [...pauses.problems].map(([repo, reason]) => ({ repo, reason })),
    close: () => {
      clearTimeout(timer);
      stop.abort();
    },
  };
}

/** Repos that have delivered, and those that the operator names: never one that a pattern guesses. */
async function watchKnown(deps: ForgeSweepDeps, watched: Map<string, Watched>): Promise<void> {
  const { store, repos: patterns, sweepMs, pollMs } = deps;
  const isOurs = repoMatcher(patterns);
  const known = await githubRepos(store);
  // As the forge spells it, where it has told: a name is the same in any case.
  const spelling = new Map(known.map((name) => [name.toLowerCase(), name]));
  const named = patterns
    .filter((text) => !/[*!]/.test(text))
    .map((text) => spelling.get(text.toLowerCase()) ?? text);
  for (const repo of new Set([...named, ...known])) {
    if (watched.has(repo) || !isOurs(repo) || (await isOwnRepo(store, repo))) continue;
    const isPolled = pollMs > 0 && named.includes(repo);
    const everyMs = isPolled ? pollMs : sweepMs;
    if (everyMs === 0) continue;
    const foundBy = isPolled ? "poll" : "sweep";
    const fresh = { dueAt: 0, lookedAt: 0, failures: 0, problem: undefined, unsure: new Map() };
    watched.set(repo, { repo, foundBy, everyMs, ...fresh });
  }
}

/** Looks at one repo. True: again soon, for something is not certain or not done yet. */
async function look(
  deps: ForgeSweepDeps,
  one: Watched,
  pauses: HookPauses,
  signal: AbortSignal,
): Promise<boolean> {
  const { store, refs, hooks, logger } = deps;
  // Asked for first: what comes again by itself comes with all that a delivery tells.
  const asked =
    hooks === undefined || one.foundBy === "poll"
      ? 0
      : await askForMissed({ store, hooks, logger, pauses }, one.repo, signal);
  const startedAt = store.now();
  const last = await lastLook(store, one.repo);
  const list = await refs.list(one.repo, signal);
  const heads = list.refs.map((ref) => ({ ...ref, repo: one.repo }));
  const suspects = heads.filter(({ ref, sha }) => {
    return last.seen.get(ref)?.sha !== sha || last.movedRefs.has(ref);
  });

  const missed: ForgeRefAt[] = [];
  const settled: ForgeRefAt[] = [];
  for (const head of suspects) {
    const isFirst = isBaseline(one, head, list, last);
    const found = await missedAt(store, head, { isFirst, startedAt });
    (found === undefined ? settled : missed).push(head);
  }
  const certain = missed.filter((head) => isCertain(one, head, last, startedAt));
  for (const head of certain.slice(0, FOUND_MAX)) {
    const isFirst = isBaseline(one, head, list, last);
    await recordMissed(deps, one, { head, list, isFirst, startedAt }, signal);
    one.unsure.delete(head.ref);
  }
  forgetSettled(one, missed);

  const present = new Set(heads.map(({ ref }) => ref));
  const goneRefs = [...last.seen.keys()].filter(
    (ref) => !present.has(ref) && pullRequestOf(ref) === undefined,
  );
  const remembered = { startedAt, heads: settled, goneRefs };
  await store.write((tx) => rememberLook(tx, one.repo, remembered));
  return asked > 0 || one.unsure.size > 0 || certain.length > FOUND_MAX;
}

/** Only where nobody delivers them: elsewhere, who sent one is known, and is asked for again. */
async function lookAtPulls(
  { pulls }: ForgeSweepDeps,
  { repo, everyMs, foundBy }: Watched,
  signal: AbortSignal,
): Promise<boolean> {
  if (pulls === undefined || foundBy !== "poll") return false;
  return await pulls.look(repo, everyMs, signal);
}

type ForgeRefAt = ForgeRef & HeadAt;

/**
 * What a repo's refs named before we ever looked is no push that was missed. Where polling is all
 * there is, the default branch is built as it is found.
 */
function isBaseline(
  { foundBy }: Watched,
  { ref }: ForgeRefAt,
  { defaultBranch }: ForgeRefList,
  { at }: LastLook,
): boolean {
  return at === undefined && !(foundBy === "poll" && ref === `refs/heads/${defaultBranch}`);
}

/** A delivery may be on its way, and a forge may show for a moment what was there before. */
function isCertain(
  { foundBy, everyMs, unsure }: Watched,
  { ref, sha }: ForgeRefAt,
  { movedRefs, seen }: LastLook,
  now: number,
): boolean {
  const isNewToAll = foundBy === "poll" && !movedRefs.has(ref) && seen.get(ref)?.sha !== sha;
  if (isNewToAll) return true;
  const known = unsure.get(ref);
  if (known?.sha !== sha) {
    unsure.set(ref, { sha, since: now });
    return false;
  }
  return Math.abs(now - known.since) >= Math.min(GRACE_MS, everyMs);
}

function forgetSettled({ unsure }: Watched, missed: readonly ForgeRefAt[]): void {
  const open = new Set(missed.map(({ ref }) => ref));
  for (const ref of unsure.keys()) if (!open.has(ref)) unsure.delete(ref);
}

/** Becomes a delivery like any other. Only who may write to the repo moves its refs. */
async function recordMissed(
  { store, intake, refs, logger }: ForgeSweepDeps,
  { repo, foundBy }: Watched,
  {
    head,
    list,
    ...since
  }: {
    readonly head: ForgeRefAt;
    readonly list: ForgeRefList;
    readonly isFirst: boolean;
    readonly startedAt: number;
  },
  signal: AbortSignal,
): Promise<void> {
  const { ref, sha } = head;
  const told = await refs.commit(repo, head.commit, signal);
  const facts = { forge: "github", event: "push", bodyDigest: null, foundBy } as const;
  const deliveryId = foundId(foundBy, [repo, ref, sha, String(store.now())]);
  const result = await intake.acceptFound({ ...facts, deliveryId }, async (tx) => {
    const missed = await missedAt(tx, head, since);
    if (missed === undefined) return undefined;
    await rememberHead(tx, head, tx.now());
    return {
      ...told,
      forge: "github",
      repo,
      ref,
      before: missed.before,
      after: sha,
      sha: head.commit,
      pusher: foundBy === "poll" ? "found by polling" : "found by sweep",
      trust: "trusted",
      defaultBranch: list.defaultBranch,
      // Nobody said whether it was: then a build that it follows is not ended for it.
      isForced: true,
    };
  });
  if (result !== undefined) logger.info({ repo, ref, sha, foundBy, ...result }, "A push was found");
}

/** git's last line says it; its address may hold no credential, for that goes by the environment. */
function reasonOf(err: unknown): string {
  const { stderr = "", message = String(err) } = (err ?? {}) as Record<string, string>;
  const text = stderr.trim().split("\n").at(-1) || message;
  return text.slice(0, REASON_MAX);
}
