import type { Logger } from "../shared/logger.ts";
import { UPLOAD_GRACE_MS, type ArtifactFiles } from "./artifact-files.ts";
import type { OpenLogFiles } from "./logs.ts";
import {
  buildsToEmpty,
  FIRST_PLACE,
  markRemovable,
  recordFilesGone,
  unneededContents,
} from "./store/build-retention.ts";
import type { Store } from "./store/store.ts";

const TICK_MS = 10 * 60_000;
/** Builds that one transaction looks at: others wait for it. */
const AT_ONCE_MAX = 200;
/** In one tick, so that a folder of years is tidied in an hour or two, and nobody notices. */
const ROUNDS_MAX = 10;
const DAY_MS = 24 * 3_600_000;

export interface RetentionDeps {
  readonly store: Store;
  readonly logs: Pick<OpenLogFiles, "removeAll">;
  readonly artifacts: Pick<ArtifactFiles, "remove">;
  readonly logger: Logger;
  /** `TATARA_KEEP_BUILDS_DAYS`; 0: for ever. */
  readonly keepBuildsDays: number;
}

/** Removes logs and unpublished packages of old builds, now and then; each time may be cut short anywhere. */
export function startBuildRetention(deps: RetentionDeps): { close(): void } {
  const tidy = buildRetention(deps);
  let isTidying = false;
  const timer = setInterval(() => {
    if (isTidying) return;
    isTidying = true;
    tidy()
      .catch((err: unknown) => deps.logger.warn({ err }, "Old builds could not be tidied"))
      .finally(() => {
        isTidying = false;
      });
  }, TICK_MS);
  timer.unref();
  return { close: () => clearInterval(timer) };
}

/**
 * One tick each time it is called. The record comes first: a build whose files are half gone already
 * says that they are removed, and what a crash left of them goes with the next tick.
 */
export function buildRetention(
  deps: RetentionDeps,
  { atOnceMax = AT_ONCE_MAX }: { readonly atOnceMax?: number } = {},
): () => Promise<void> {
  const { store, logger, keepBuildsDays } = deps;
  let place = FIRST_PLACE;
  return async () => {
    await emptyAll(deps, atOnceMax);
    if (keepBuildsDays === 0) return;
    const slice = { endedBefore: store.now() - keepBuildsDays * DAY_MS, max: atOnceMax };
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const from = place;
      const { marked, next } = await store.write((tx) => markRemovable(tx, from, slice));
      place = next ?? FIRST_PLACE;
      if (marked > 0) {
        await emptyAll(deps, atOnceMax);
        logger.info({ builds: marked, keepBuildsDays }, "Logs of old builds were removed");
      }
      if (next === undefined) return;
    }
  };
}

async function emptyAll(
  { store, logs, artifacts, logger }: RetentionDeps,
  max: number,
): Promise<void> {
  const gone: string[] = [];
  for (const buildId of await buildsToEmpty(store, max)) {
    try {
      await logs.removeAll(buildId);
      for (const sha256 of await unneededContents(store, buildId)) {
        await artifacts.remove(sha256, store.now() - UPLOAD_GRACE_MS);
      }
      gone.push(buildId);
    } catch (err) {
      logger.warn({ err, buildId }, "Files of an old build stay for now");
    }
  }
  await store.write((tx) => recordFilesGone(tx, gone));
}
