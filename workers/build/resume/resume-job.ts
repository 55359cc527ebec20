import { rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { InfraFault } from "../../../src/domain/faults.ts";
import { PATHS } from "../../../src/shared/protocol.ts";
import type { ServerClient } from "../../../src/shared/server-client.ts";
import type { RunJobDeps } from "../job.ts";
import type { Lease } from "../lease.ts";
import { runJob } from "../run-job.ts";
import type { ReturnedJob } from "./ask-for-jobs.ts";
import type { JobMemory } from "./job-memory.ts";
import { rememberJob } from "./remember-job.ts";
import type { RememberDeps } from "./remember-job.ts";

const GIVE_UP_MS = 60_000;
const TRIES_MAX = 5;
const PAUSE_MS = 500;

export interface ResumeDeps {
  readonly deps: RunJobDeps;
  readonly client: ServerClient;
  /** Returns once the engine answers. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
}

/** Goes on with an attempt; what does not fit together is handed back, and starts anew. */
export async function resumeJob(
  job: ReturnedJob,
  lease: Lease,
  { deps, client, ready }: ResumeDeps,
): Promise<void> {
  let memory: JobMemory;
  try {
    memory = await rememberPatiently(job, lease.signal, { deps, ready });
  } catch (err) {
    deps.logger.warn({ err, jobId: job.grant.jobId }, "Job not resumed");
    return await giveUp(job, lease, { deps, client });
  }
  await runJob(job.grant, deps, lease, memory);
}

/** An engine that is away for a moment, as one that has just started, is no reason to give up. */
export async function rememberPatiently(
  job: ReturnedJob,
  signal: AbortSignal,
  { deps, ready }: { readonly deps: RememberDeps; readonly ready: ResumeDeps["ready"] },
): Promise<JobMemory> {
  for (let tries = 1; ; tries += 1) {
    signal.throwIfAborted();
    await ready(signal);
    try {
      return await rememberJob(deps, job, signal);
    } catch (err) {
      const isAway = err instanceof InfraFault && err.code === "ENGINE_UNAVAILABLE";
      if (!isAway || tries === TRIES_MAX) throw err;
      await delay(PAUSE_MS * tries, undefined, { signal });
    }
  }
}

/** Whoever has its lease by now, what this worker has of it goes, and at once. */
export async function giveUp(
  { grant, dir }: Pick<ReturnedJob, "grant" | "dir">,
  lease: Pick<Lease, "token" | "talking">,
  { deps, client }: { readonly deps: RememberDeps; readonly client: ServerClient },
): Promise<void> {
  const { jobId } = grant;
  const { logger, engine } = deps;
  const limit = AbortSignal.timeout(GIVE_UP_MS);
  const telling = AbortSignal.any([lease.talking, limit]);
  const handedBack = client
    .send({ path: PATHS.handBack(jobId), leaseToken: lease.token }, telling)
    .catch((err: unknown) => logger.warn({ err, jobId }, "Job not handed back"));
  await engine
    .removeAllOf({ jobId, attempt: grant.lease.attempt }, limit)
    .catch((err: unknown) => logger.warn({ err, jobId }, "Left for the reaper"));
  await handedBack;
  await rm(dir, { recursive: true, force: true });
}
