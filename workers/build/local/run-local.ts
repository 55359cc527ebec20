import type { PlannedJob } from "../../../src/domain/job-spec.ts";
import type { FailureCard } from "../../../src/domain/failure-card.ts";
import { failureCard } from "../../../src/domain/failure-card.ts";
import { UserFault } from "../../../src/domain/faults.ts";
import type { BuildGrant } from "../../../src/shared/build-messages.ts";
import type { LocalMessage, LocalRequest } from "../../../src/shared/local-messages.ts";
import type { RunJobDeps } from "../job.ts";
import { runJob } from "../run-job.ts";
import { readCommit } from "../source/commit.ts";
import { localLease } from "./local-lease.ts";
import { localRecord } from "./local-record.ts";
import type { JobEnd, LocalFiles } from "./local-record.ts";
import { pinImages } from "./pin-images.ts";
import { planLocal } from "./plan-local.ts";
import type { LocalPlan, LocalTargets } from "./plan-local.ts";

export interface RunLocalDeps extends LocalTargets {
  readonly job: Omit<RunJobDeps, "openRecord">;
  readonly files: LocalFiles;
  readonly tell: (message: LocalMessage) => void;
  readonly newId: () => string;
}

type LocalEnd = Extract<LocalMessage, { readonly kind: "end" }>;
type JobsEnd = Omit<LocalEnd, "kind">;
type OneJob = Pick<PlannedJob, "spec" | "needs" | "skip"> & { readonly id: string };

/** Plans the commit and runs its jobs, one after the other; the last message says how it ended. */
export async function runLocal(
  request: LocalRequest,
  deps: RunLocalDeps,
  signal: AbortSignal,
): Promise<void> {
  const plan = await tryPlan(request, deps, signal);
  if (plan.kind === "refused") return deps.tell(plan);
  if (plan.kind === "invalid") {
    const { failure } = plan;
    return deps.tell({ kind: "end", state: "failed", reason: failure.title, failure });
  }
  if (plan.kind === "nothing-to-do") {
    return deps.tell({ kind: "end", state: "skipped", reason: plan.reason, failure: null });
  }
  const pinned = await pinImages(plan.jobs, request, deps.job.engine, signal);
  const jobs = pinned.jobs.map((job): OneJob => ({ ...job, id: deps.newId() }));
  deps.tell({
    kind: "planned",
    jobs: jobs.map(({ id, spec }) => {
      const { name, target, steps } = spec;
      return { id, name, target, steps: [...steps] };
    }),
    note: plan.note,
    warnings: [...plan.warnings, ...pinned.warnings],
  });
  deps.tell({ kind: "end", ...(await runAll(jobs, request, deps, signal)) });
}

/** What of the plan only a server would refuse fails the run as it fails a build. */
async function tryPlan(
  request: LocalRequest,
  deps: RunLocalDeps,
  signal: AbortSignal,
): Promise<LocalPlan> {
  try {
    const { mirrors, git } = deps.job;
    const { repo, ref, sha } = request.build;
    const place = { repo, ref, sha, url: "", authorization: null };
    const mirror = await mirrors.fetch(place, signal);
    return await planLocal(request, await readCommit(git, mirror, signal), deps, signal);
  } catch (err) {
    if (!(err instanceof UserFault)) throw err;
    return { kind: "invalid", failure: failureCard({ step: null, fault: err }) };
  }
}

async function runAll(
  jobs: readonly OneJob[],
  request: LocalRequest,
  deps: RunLocalDeps,
  signal: AbortSignal,
): Promise<JobsEnd> {
  const ends: JobsEnd[] = [];
  for (const job of jobs) {
    const missing = job.needs.map((need) => ends[need]).find((end) => end?.state !== "passed");
    const skip = job.skip ?? (missing === undefined ? null : "a job before it did not pass");
    const end = skip === null ? await runOne(job, request, deps, signal) : skipped(skip);
    ends.push(end);
    if (skip !== null) deps.tell({ kind: "job-end", job: job.id, ...end, packages: [] });
  }
  const order = ["cancelled", "errored", "failed"] as const;
  const worst = order.flatMap((state) => ends.find((end) => end.state === state) ?? []);
  return worst[0] ?? { state: "passed", reason: null, failure: null };
}

function skipped(reason: string): JobsEnd {
  return { state: "skipped", reason, failure: null };
}

async function runOne(
  { id, spec }: OneJob,
  request: LocalRequest,
  { job, files, tell }: RunLocalDeps,
  signal: AbortSignal,
): Promise<JobsEnd> {
  if (signal.aborted) return { state: "cancelled", reason: "cancelled", failure: null };
  tell({ kind: "job", job: id, state: "running" });
  let ended: JobEnd | undefined;
  const onEnd = (end: JobEnd): void => void (ended = end);
  const openRecord = () => localRecord({ job: id, tell, files, project: spec.project, onEnd });
  await runJob(grantOf(id, spec, request), { ...job, openRecord }, localLease(signal));
  const packages = ended?.how === "end" ? ended.message.packages : [];
  const end = endOf(ended);
  tell({ kind: "job-end", job: id, ...end, packages });
  return end;
}

function endOf(ended: JobEnd | undefined): JobsEnd {
  // Nobody was told: what went wrong is in the runner's own log.
  if (ended === undefined) return errored("INTERNAL", "The run broke off.");
  if (ended.how === "end") {
    const { state, reason, failure } = ended.message;
    return { state, reason, failure };
  }
  const { code, message } = ended.message;
  return errored(code, message);
}

function errored(code: FailureCard["code"], message: string): JobsEnd {
  return { state: "errored", reason: `${code}: ${message}`, failure: null };
}

function grantOf(jobId: string, spec: PlannedJob["spec"], { build }: LocalRequest): BuildGrant {
  return {
    jobId,
    lease: { token: "local".repeat(7), attempt: 1, leaseMs: Number.MAX_SAFE_INTEGER },
    build,
    target: spec.target,
    // Only its type is deeper: messages are mutable, records are not.
    job: spec as BuildGrant["job"],
    names: { channels: [], targets: [spec.target], yumSources: [], secrets: [] },
    fileSha: null,
    passedAt: {},
    cacheEpoch: 0,
    verify: null,
    clone: { url: "", authorization: null },
    secrets: [],
  };
}
