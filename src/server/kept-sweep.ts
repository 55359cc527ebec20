import type { Logger } from "../shared/logger.ts";
import { UPLOAD_GRACE_MS, type ArtifactFiles } from "./artifact-files.ts";
import { forgetExpired, isNamed } from "./store/kept-files.ts";
import type { Store } from "./store/store.ts";

const SWEEP_EVERY_MS = 10 * 60_000;
const AT_ONCE_MAX = 1_000;
const ROUNDS_MAX = 100;

interface SweepDeps {
  readonly store: Store;
  readonly artifacts: ArtifactFiles;
  readonly logger: Logger;
}

/** Removes kept files whose time is over, now and then; each time may be cut short anywhere. */
export function startKeptSweep(deps: SweepDeps): { close(): void } {
  const orphans = orphanSweep(deps);
  const timer = setInterval(() => {
    Promise.all([sweepKept(deps), orphans()]).catch((err: unknown) => {
      deps.logger.warn({ err }, "Expired files could not be removed");
    });
  }, SWEEP_EVERY_MS);
  timer.unref();
  return { close: () => clearInterval(timer) };
}

export async function sweepKept({
  store,
  artifacts,
}: Pick<SweepDeps, "store" | "artifacts">): Promise<void> {
  // The record goes first: what nobody can find any more may be removed at any time.
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const { contents, isAll } = await store.write((tx) => forgetExpired(tx, AT_ONCE_MAX));
    for (const sha256 of contents) await artifacts.remove(sha256, store.now() - UPLOAD_GRACE_MS);
    if (isAll) return;
  }
}

/**
 * What an attempt uploaded before it died is named by nobody, and neither is half a file: each time one
 * of the 256 folders is looked over, so that a pass over all of them takes two days and costs nothing.
 */
export function orphanSweep({
  store,
  artifacts,
}: Pick<SweepDeps, "store" | "artifacts">): () => Promise<void> {
  let folder = 0;
  return async () => {
    const unusedSince = store.now() - UPLOAD_GRACE_MS;
    for (const name of await artifacts.olderThan(folder, unusedSince)) {
      if (name.includes(".")) await artifacts.removePart(name);
      else if (!(await isNamed(store, name))) await artifacts.remove(name, unusedSince);
    }
    folder += 1;
  };
}
