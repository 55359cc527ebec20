import type { Logger } from "../../../src/shared/logger.ts";
import type { Engine } from "../engine.ts";

const REAP_TIMEOUT_MS = 60_000;

/** `local-laptop-1234`: whose things on the engine are, and whether that process still runs. */
export function localWorkerId(host: string, pid: number): string {
  return `local-${host
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 40)}-${pid}`;
}

/** A run that was killed by force could not remove what it had started; the next one does. */
export async function reapDeadRuns(
  engine: Engine,
  {
    host,
    isRunning,
    logger,
  }: {
    readonly host: string;
    readonly isRunning: (pid: number) => boolean;
    readonly logger: Logger;
  },
  signal: AbortSignal,
): Promise<void> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(REAP_TIMEOUT_MS)]);
  const leftovers = await engine.listLeftovers(until);
  const dead = leftovers.filter(({ kind, workerId }) => {
    const pid = Number(/-(\d+)$/.exec(workerId ?? "")?.[1]);
    return kind !== "image" && workerId === localWorkerId(host, pid) && !isRunning(pid);
  });
  for (const kind of ["container", "volume", "network"] as const) {
    for (const leftover of dead.filter((found) => found.kind === kind)) {
      await engine.removeLeftover(leftover, until).catch((err: unknown) => {
        signal.throwIfAborted();
        logger.warn({ err, kind, id: leftover.id }, "Leftover of a dead run not removed");
      });
    }
  }
}
