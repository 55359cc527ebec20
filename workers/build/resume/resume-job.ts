import { rm } from "node:fs/promises";
import { PATHS } from "../../../src/shared/protocol.ts";
import type { ServerClient } from "../../../src/shared/server-client.ts";
import type { RunJobDeps } from "../job.ts";
import type { Lease } from "../lease.ts";
import { runJob } from "../run-job.ts";
import type { ReturnedJob } from "./ask-for-jobs.ts";
import type { JobMemory } from "./job-memory.ts";
import { rememberJob } from "./remember-job.ts";

const GIVE_UP_MS = 60_000;

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
    await ready(lease.signal);
    memory = await rememberJob(deps, job, lease.signal);
  } catch (err) {
    deps.logger.warn({ err, jobId: job.grant.jobId }, "Job not resumed");
    return await giveUp(job, lease, { deps, client });
  }
  await runJob(job.grant, deps, lease, memory);
}

async function giveUp(
  { grant, dir }: ReturnedJob,
  lease: Lease,
  { deps, client }: Pick<ResumeDeps, "deps" | "client">,
): Promise<void> {
  const { jobId } = grant;
  const limit = AbortSignal.any([lease.talking, AbortSignal.timeout(GIVE_UP_MS)]);
  try {
    await client.send({ path: PATHS.handBack(jobId), leaseToken: lease.token }, limit);
    await deps.engine.removeAllOf({ jobId, attempt: grant.lease.attempt }, limit);
  } catch (err) {
    deps.logger.warn({ err, jobId }, "Left for the reaper");
  }
  await rm(dir, { recursive: true, force: true });
}
