import type { FailedDelivery, GithubHooks, HookAnswer } from "../shared/forges/github-hooks.ts";
import type { Logger } from "../shared/logger.ts";
import { arrivedOf, noteMissed } from "./store/missed-deliveries.ts";
import type { Store } from "./store/store.ts";

/** When the forge's hooks may be asked again. */
export interface HookPauses {
  /** For all repos. */
  untilAt: number;
  /** Repos whose hooks the credential may not see. */
  readonly repos: Map<string, number>;
  /** Why failed deliveries of a repo are not asked for again, until they are. */
  readonly problems: Map<string, string>;
}

export function createHookPauses(): HookPauses {
  return { untilAt: 0, repos: new Map(), problems: new Map() };
}

const ASKED_MAX = 100;
const TRIES_MAX = 5;
/** GitHub sends nothing again that is older. */
const AGE_MAX_MS = 3 * 24 * 3_600_000;
/** The newest try may still be under way, or the next one asked for by somebody else. */
const TRY_MS = 30_000;
const NOT_ALLOWED_MS = 6 * 3_600_000;
const PULL_REQUEST_ACTIONS: ReadonlySet<string> = new Set([
  "opened",
  "reopened",
  "synchronize",
  "closed",
]);

interface AskDeps {
  readonly store: Store;
  readonly hooks: GithubHooks;
  readonly logger: Logger;
  readonly pauses: HookPauses;
}

/**
 * Asks the forge to deliver again what it could not deliver. What comes then is a delivery like any
 * other, its id the same, so that it may come any number of times. Returns how many were asked for.
 */
export async function askForMissed(
  { store, hooks, logger, pauses }: AskDeps,
  repo: string,
  signal: AbortSignal,
): Promise<number> {
  const pausedUntilAt = Math.max(pauses.untilAt, pauses.repos.get(repo) ?? 0);
  if (store.now() < pausedUntilAt) return 0;
  const failed = await hooks.failedDeliveries(repo, signal);
  if (failed.kind !== "done") {
    hold(pauses, repo, failed, store.now());
    logger.info({ repo, ...failed }, "Failed deliveries could not be listed");
    return 0;
  }
  const due = failed.value.filter((delivery) => isWorthIt(delivery, store.now()));
  const arrived = await arrivedOf(
    store,
    due.map(({ deliveryId }) => deliveryId),
  );
  pauses.problems.delete(repo);
  let asked = 0;
  for (const delivery of due.filter(({ deliveryId }) => !arrived.has(deliveryId))) {
    if (asked === ASKED_MAX) break;
    await store.write((tx) => noteMissed(tx, repo, delivery));
    const answer = await hooks.redeliver(repo, delivery, signal);
    if (answer.kind !== "done") {
      hold(pauses, repo, answer, store.now());
      logger.warn({ repo, ...answer }, "A failed delivery could not be asked for again");
      break;
    }
    asked += 1;
  }
  if (asked > 0) logger.info({ repo, asked }, "Failed deliveries were asked for again");
  return asked;
}

function isWorthIt(delivery: FailedDelivery, now: number): boolean {
  const { event, action, tries, triedAt } = delivery;
  const isOurs =
    event === "push" || (event === "pull_request" && PULL_REQUEST_ACTIONS.has(action ?? ""));
  const ageMs = now - triedAt;
  return isOurs && tries <= TRIES_MAX && ageMs >= TRY_MS * (tries - 1) && ageMs < AGE_MAX_MS;
}

function hold(pauses: HookPauses, repo: string, answer: HookAnswer<unknown>, now: number): void {
  if (answer.kind === "wait") pauses.untilAt = now + answer.afterMs;
  if (answer.kind === "not-allowed") pauses.repos.set(repo, now + NOT_ALLOWED_MS);
  // What passes by itself is in the log; what somebody has to mend is told.
  const isToMend = answer.kind === "not-allowed" || answer.kind === "no-hook";
  if (isToMend) pauses.problems.set(repo, answer.reason);
}
