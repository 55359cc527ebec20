import type { Logger } from "../shared/logger.ts";
import { isFinal } from "../domain/states.ts";
import type { GitRepos } from "./git-repos.ts";
import type { Store } from "./store/store.ts";

const SWEEP_EVERY_MS = 60_000;
/** So long after its ref a push has surely been recorded, or never will be. */
const UNKNOWN_GRACE_MS = 60 * 60_000;

export interface TryRefsDeps {
  readonly store: Store;
  readonly gitRepos: Pick<GitRepos, "tryRefs" | "deleteRef">;
  readonly logger: Logger;
}

/** Removes the refs of tries whose builds have ended, now and then. */
export function startTryRefSweep(deps: TryRefsDeps): { close(): void } {
  const timer = setInterval(() => {
    sweepTryRefs(deps).catch((err: unknown) => {
      deps.logger.warn({ err }, "Refs of ended tries could not be removed");
    });
  }, SWEEP_EVERY_MS);
  timer.unref();
  return { close: () => clearInterval(timer) };
}

export async function sweepTryRefs({ store, gitRepos }: TryRefsDeps): Promise<void> {
  for (const { repo, ref, madeAt } of await gitRepos.tryRefs()) {
    const builds = await store.db
      .selectFrom("builds")
      .select("state")
      .where("repo", "=", repo)
      .where("ref", "=", ref)
      .execute();
    const isOver =
      builds.length === 0
        ? store.now() - madeAt > UNKNOWN_GRACE_MS
        : builds.every(({ state }) => isFinal(state));
    if (isOver) await gitRepos.deleteRef(repo, ref);
  }
}
