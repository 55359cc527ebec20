import type { Logger } from "../shared/logger.ts";
import type { ArtifactFiles } from "./artifact-files.ts";
import { forgetExpired } from "./store/kept-files.ts";
import type { Store } from "./store/store.ts";

const SWEEP_EVERY_MS = 10 * 60_000;
const AT_ONCE_MAX = 1_000;
/** A worker uploads a file some time before it says what for. */
const UPLOAD_GRACE_MS = 24 * 60 * 60_000;

interface SweepDeps {
  readonly store: Store;
  readonly artifacts: ArtifactFiles;
  readonly logger: Logger;
}

/** Removes kept files whose time is over, now and then; each time may be cut short anywhere. */
export function startKeptSweep(deps: SweepDeps): { close(): void } {
  const timer = setInterval(() => {
    sweepKept(deps).catch((err: unknown) => {
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
  const contents = await store.write((tx) => forgetExpired(tx, AT_ONCE_MAX));
  for (const sha256 of contents) await artifacts.remove(sha256, store.now() - UPLOAD_GRACE_MS);
}
