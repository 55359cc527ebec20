import { rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { failureCard } from "../../src/domain/failure-card.ts";
import { InfraFault, UserFault } from "../../src/domain/faults.ts";
import { Stopped, stopReason } from "../../src/domain/stop.ts";
import { diskRefusal } from "../../src/shared/disk-errors.ts";
import type { Logger } from "../../src/shared/logger.ts";
import type { EndMessage } from "../../src/shared/build-messages.ts";
import type { FaultMessage } from "../../src/shared/worker-messages.ts";
import type { Job } from "./job.ts";
import type { Lease } from "./lease.ts";

const REMOVE_TIMEOUT_MS = 60_000;
/** How long a planned stop waits for containers to end politely; in all it has ten seconds. */
const SHUTDOWN_GRACE_MS = 3_000;
const SHUTDOWN_REMOVE_MS = 5_000;

/** How an attempt ends, as the server is told. */
export type Ending =
  | { readonly how: "end"; readonly message: EndMessage }
  | { readonly how: "fault"; readonly message: FaultMessage }
  | { readonly how: "hand-back" }
  /** The plan itself said that there is nothing to do. */
  | { readonly how: "told" };

export function endPassed(packages: EndMessage["packages"], errata: string | null = null): Ending {
  const message: EndMessage = { state: "passed", reason: null, failure: null, packages, errata };
  return { how: "end", message };
}

/** `file`: the pipeline file, where that is what was refused. */
export function endFailed(
  failure: NonNullable<EndMessage["failure"]>,
  file: EndMessage["file"] = null,
): Ending {
  const reason = failure.title;
  return { how: "end", message: { state: "failed", reason, failure, packages: [], file } };
}

/** The ending of work that may throw. Only a lost lease has none: there is nobody to tell. */
export async function endingOf(job: Job, work: Promise<Ending>): Promise<Ending> {
  try {
    return await work;
  } catch (err) {
    const reason = stopReason(job.signal) ?? (err instanceof Stopped ? err.reason : undefined);
    if (reason === "lease-lost") throw err;
    if (reason === "shutdown") return { how: "hand-back" };
    if (reason === "cancelled") {
      const message: EndMessage = { state: "cancelled", reason, failure: null, packages: [] };
      return { how: "end", message };
    }
    // Outside of a step only the server says so, of the plan.
    if (err instanceof UserFault) return endFailed(failureCard({ step: null, fault: err }));
    return { how: "fault", message: faultOf(job, err) };
  }
}

function faultOf({ steps, deps, grant }: Job, err: unknown): FaultMessage {
  const step = steps.broken();
  if (err instanceof InfraFault && err.code === "ENGINE_UNAVAILABLE") deps.onEngineLost();
  if (err instanceof InfraFault) {
    const { code, refTip } = err;
    const where = refTip === undefined ? {} : { refTip };
    return { code, message: err.message.slice(0, 4_000), step, ...where };
  }
  const message = err instanceof Error ? err.message : String(err);
  const refusal = diskRefusal(err);
  if (refusal !== undefined) {
    const told = `The worker's disk refused, for ${refusal.why}: ${message}`;
    return { code: "DISK_FULL", message: told.slice(0, 4_000), step };
  }
  deps.logger.error({ err, jobId: grant.jobId, step }, "A bug ended an attempt");
  return { code: "INTERNAL", message: message.slice(0, 4_000), step };
}

/** A planned stop does not wait for steps: another attempt starts them anew. */
export async function handBackAtShutdown(signal: AbortSignal): Promise<Ending> {
  return await new Promise((resolve) => {
    const onAbort = () => {
      if (stopReason(signal) === "shutdown") resolve({ how: "hand-back" });
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

export async function tellEnding(job: Job, ending: Ending): Promise<void> {
  const { record, steps } = job;
  if (ending.how === "fault") return await record.fault(ending.message);
  if (ending.how === "hand-back") return await handBack(job);
  if (ending.how === "told") return;
  try {
    await steps.told();
    await record.end(ending.message);
  } catch (err) {
    if (err instanceof Stopped) throw err;
    // Some of the log or of the steps could not be told, so the result is not worth having.
    await record.fault(faultOf(job, err));
  }
}

/** A server that is away finds out by itself, when the lease runs out. */
async function handBack({ record, deps, grant }: Job): Promise<void> {
  await record.handBack().catch((err: unknown) => {
    deps.logger.warn({ err, jobId: grant.jobId }, "Job not handed back");
  });
}

/** Removal has deadlines of its own: the job's signal may be why we remove. */
export async function leaveNothing(job: Job, lease: Lease, logger: Logger): Promise<void> {
  const isShutdown = stopReason(lease.signal) === "shutdown";
  if (!job.signal.aborted) job.stop.abort(new Error("The attempt has ended."));
  const begun = Promise.allSettled(job.begun);
  // What is still being made must be there before it can be removed.
  if (isShutdown) await Promise.race([begun, delay(SHUTDOWN_GRACE_MS)]);
  else await begun;

  const { jobId, lease: granted } = job.grant;
  const limit = AbortSignal.timeout(isShutdown ? SHUTDOWN_REMOVE_MS : REMOVE_TIMEOUT_MS);
  const attempt = { jobId, attempt: granted.attempt };
  await job.deps.engine.removeAllOf(attempt, limit).catch((err: unknown) => {
    logger.warn({ err }, "Left on the engine for the reaper");
  });
  // A disk that refuses even that has the folder back with the reaper.
  await job.record.close().catch((err: unknown) => {
    logger.warn({ err }, "Attempt's record not closed");
  });
  await rm(job.dir, { recursive: true, force: true }).catch((err: unknown) => {
    logger.warn({ err }, "Left on the disk for the reaper");
  });
}
