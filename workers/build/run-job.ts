import { UserFault } from "../../src/domain/faults.ts";
import type { JobSpec } from "../../src/domain/job-spec.ts";
import { Stopped } from "../../src/domain/stop.ts";
import type { BuildGrant } from "../../src/shared/build-messages.ts";
import { runBuildJob } from "./build-job.ts";
import { endFailed, endingOf, handBackAtShutdown, leaveNothing, tellEnding } from "./job-ending.ts";
import type { Ending } from "./job-ending.ts";
import { egressOf, jobNetworks } from "./job-networks.ts";
import type { JobNetworks } from "./job-networks.ts";
import { begin, openJob } from "./job.ts";
import type { Job, RunJobDeps } from "./job.ts";
import type { Lease } from "./lease.ts";
import type { JobMemory } from "./resume/job-memory.ts";
import { planJob } from "./source/plan-job.ts";
import { runVerifyJob } from "./verify/verify-job.ts";
import { checkOut, refuseOptions } from "./steps/checkout.ts";
import type { CheckedOut } from "./steps/checkout.ts";

/** After a drain with `--now`, or when the server had not heard of this worker for a whole lease. */
const TAKEN_BACK = "Job handed back: the server gives it to another attempt, nothing is lost";

/** Runs one attempt of a job, tells the server how it ended, and leaves nothing behind. */
export async function runJob(
  grant: BuildGrant,
  deps: RunJobDeps,
  lease: Lease,
  memory?: JobMemory,
): Promise<void> {
  const job = await openJob(grant, deps, lease, memory);
  const logger = deps.logger.child({ jobId: grant.jobId, attempt: grant.lease.attempt });
  const limit = setTimeout(() => job.stop.abort(overTime(deps)), deps.jobTimeoutMs);
  try {
    const work = begin(job, runSteps(job));
    const ending = await Promise.race([endingOf(job, work), handBackAtShutdown(lease.signal)]);
    await tellEnding(job, ending);
    logger.info({ ending: ending.how }, "Attempt ended");
  } catch (err) {
    // Nobody is left to be told: the lease is lost, or the server refuses this attempt's words.
    if (err instanceof Stopped && err.reason === "lease-lost") logger.warn({}, TAKEN_BACK);
    else logger[err instanceof Stopped ? "warn" : "error"]({ err }, "Attempt given up");
  } finally {
    clearTimeout(limit);
    await leaveNothing(job, lease, logger);
  }
}

/** The step that it stops, and with it the job, ends as if it had thrown this itself. */
function overTime({ jobTimeoutMs }: RunJobDeps): UserFault {
  const hours = Math.round(jobTimeoutMs / 360_000) / 10;
  return new UserFault("STEP_TIMEOUT", `The job ran longer than ${hours} h.`, {
    hint: "Make its steps faster, or split the repo's pipeline.",
  });
}

/** Checks the commit out, plans it if nobody has yet, and works on the job that it is granted. */
async function runSteps(job: Job): Promise<Ending> {
  if (job.refusal !== undefined) throw job.refusal.err;
  const networks = jobNetworks(job);
  if (job.grant.job?.kind === "verify") return await runVerifyJob(job, job.grant.job, networks);
  openEarly(job, networks);
  const checkout = await runCheckout(job);
  if (checkout.state === "failed") return endFailed(job.steps.card([checkout], { planned: [] }));
  const { commit } = checkout;

  const spec = job.grant.job ?? (await planned(job, checkout));
  if (spec === null) return { how: "told" };
  if ("how" in spec) return spec;
  await refuseOptions(spec.checkout, commit, job.signal);
  return await runBuildJob(job, { spec, commit, networks });
}

/** Most jobs need the network, and it can be had while the commit is fetched. */
function openEarly(job: Job, networks: JobNetworks): void {
  const { job: spec } = job.grant;
  const egress = egressOf(job, "internet");
  const isShared = spec?.tests.some(({ network, services }) => {
    return services.length === 0 && egressOf(job, network) === egress;
  });
  if (isShared ?? true) void begin(job, networks.shared(egress));
}

async function runCheckout({ grant, deps, steps, signal }: Job) {
  const fetch = async (say: (line: string) => void) => {
    return { state: "passed", ...(await checkOut(grant, { ...deps, say }, signal)) } as const;
  };
  const again = () => fetch(() => undefined);
  return await steps.run("checkout", ({ say }) => fetch(say), { again });
}

/** What the server makes of the commit's file; null: it has nothing for this worker. */
async function planned(job: Job, checkout: CheckedOut): Promise<JobSpec | Ending | null> {
  const { grant, deps, record, signal } = job;
  const plan = await planJob(grant, checkout, deps, signal);
  if (plan.kind === "invalid") return endFailed(plan.failure, plan.file);
  const answer = await record.plan(plan.message);
  return answer.job;
}
