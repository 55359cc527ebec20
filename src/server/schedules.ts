import { createHash } from "node:crypto";
import { parseCron, plainCron } from "../domain/cron.ts";
import type { Logger } from "../shared/logger.ts";
import type { Schedulers } from "../shared/queues.ts";
import type { Announcer } from "./announcer.ts";
import type { GitHeads } from "./git-heads.ts";
import { dueRepos, listSchedules, runTick, type DueRepo } from "./store/schedules.ts";
import type { Store } from "./store/store.ts";

/** A forge that does not answer is asked again after so long, then twice as long, up to the last. */
const RETRY_MS = 10_000;
const RETRY_MAX_MS = 10 * 60_000;

export interface Schedules {
  /** Builds for what is due; used at each tick of the queue, and by the reconciler for lost ones. */
  tick(): Promise<void>;
  /** Makes the queue's schedulers those of the records. Rejects while Redis is away. */
  sync(): Promise<void>;
}

export interface SchedulesDeps {
  readonly store: Store;
  readonly heads: GitHeads;
  readonly announcer: Announcer;
  readonly schedulers: Schedulers;
  readonly logger: Logger;
  readonly waitingBuildsMax: number;
}

/**
 * The records say when a repo is due; the queue's job schedulers only wake one of the servers in that
 * very moment. Without Redis, or after it forgot everything, a tick is found some seconds later.
 */
export function createSchedules(deps: SchedulesDeps): Schedules {
  const { store, schedulers, logger } = deps;
  const failures = new Map<string, { readonly againAt: number; readonly pauseMs: number }>();

  const tickOf = async (due: DueRepo): Promise<void> => {
    const failed = failures.get(due.repo);
    if (failed !== undefined && failed.againAt > store.now()) return;
    try {
      await build(deps, due);
      failures.delete(due.repo);
    } catch (err) {
      // The tick stays due: it is late then, and not lost.
      const pauseMs = Math.min(failed === undefined ? RETRY_MS : 2 * failed.pauseMs, RETRY_MAX_MS);
      failures.set(due.repo, { againAt: store.now() + pauseMs, pauseMs });
      logger.warn({ err, repo: due.repo, pauseMs }, "Scheduled build could not be made");
    }
  };

  let running: Promise<void> | undefined;
  const runAll = async (): Promise<void> => {
    for (const due of await dueRepos(store)) await tickOf(due);
  };
  return {
    tick: async () => {
      running ??= runAll().finally(() => {
        running = undefined;
      });
      await running;
    },
    sync: async () => {
      const known = await listSchedules(store);
      await schedulers.set(
        known.flatMap(({ repo, pattern }) => {
          const parsed = parseCron(pattern);
          if (parsed.kind === "problem") return [];
          return [{ id: schedulerId(repo, pattern), repo, pattern: plainCron(parsed.cron) }];
        }),
      );
    },
  };
}

async function build({ store, heads, announcer, waitingBuildsMax }: SchedulesDeps, due: DueRepo) {
  const { repo, forge, defaultBranch } = due;
  const head = await heads.headOf({ name: repo, forge }, `refs/heads/${defaultBranch}`);
  const made = await store.write((tx) => runTick(tx, due, head, { waitingBuildsMax }));
  if (made !== undefined) announcer.announce({ ...made, buildId: made.build.id });
}

function schedulerId(repo: string, pattern: string): string {
  const digest = createHash("sha256").update(`${repo} ${pattern}`).digest("hex");
  return `s-${digest.slice(0, 32)}`;
}
