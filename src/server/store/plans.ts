import { planJobs, type BuildPlan } from "../../domain/plan-jobs.ts";
import type { PlanFacts } from "../../domain/plan-facts.ts";
import { UserFault } from "../../domain/faults.ts";
import { cancelJob } from "../../domain/life/job-ends.ts";
import { afterPlan, birthOfJob, ownPlace, type PlannedPlace } from "../../domain/life/planning.ts";
import { selectSteps } from "../../domain/select-steps.ts";
import type { PlannedJob } from "../../domain/job-spec.ts";
import type { TrustClass } from "../../domain/push.ts";
import type { PlanAnswer, PlanMessage } from "../../shared/build-messages.ts";
import { decideOnJob } from "./attempts.ts";
import { findBuild } from "./builds.ts";
import type { Changed } from "./changed.ts";
import { insertRow } from "./insert-row.ts";
import { insertSteps } from "./job-rows.ts";
import { jobRecord, lifeOf } from "./life-records.ts";
import { runningJob, type Lease } from "./leases.ts";
import { firstEvent, readParams, readPullRequest, readSteps } from "./new-builds.ts";
import type { BuildRow, JobRow } from "./schema.ts";
import { rememberSchedules } from "./schedules.ts";
import { carryOut } from "./settle.ts";
import type { Tx } from "./store.ts";
import { mayPublish, PLAN_VERSION, specOf, type StoredPlan } from "./stored-plan.ts";

/** What the server knows beside the build's own record. */
export interface ServerFacts {
  readonly defaultTarget: string;
  readonly targets: readonly string[];
  /** Of the build's repo. */
  readonly secrets: readonly { readonly name: string; readonly pullRequests: boolean }[];
}

export interface RecordedPlan {
  readonly changed: Changed;
  readonly answer: PlanAnswer;
}

/**
 * Makes the jobs of a build, once. The same plan again is answered alike; a second, different one is
 * as stale as an old token. Throws a `UserFault` for what only the server can refuse.
 */
export async function recordPlan(
  tx: Tx,
  { jobId, token }: Lease,
  message: PlanMessage,
  server: ServerFacts,
): Promise<RecordedPlan | undefined> {
  const job = await runningJob(tx, jobId, token);
  const build = job && (await findBuild(tx, job.buildId));
  if (job === undefined || build === undefined) return undefined;
  if (build.cancelRequestedAt !== null) return await endUnplanned(tx, job, server);
  const pipelineJson = JSON.stringify({
    v: PLAN_VERSION,
    pipeline: message.pipeline,
  } satisfies StoredPlan);
  if (build.pipelineJson !== null) {
    if (build.pipelineJson !== pipelineJson) return undefined;
    return { changed: { buildId: build.id }, answer: answerOf(job, server) };
  }
  const facts = await factsOf(tx, build, message, server);
  const plan: BuildPlan =
    message.nothingToDo === null
      ? selected(planJobs(message.pipeline, facts), readSteps(build))
      : { jobs: [], nothingToDo: message.nothingToDo };
  const planned = await storePlan(tx, build, message, pipelineJson);
  await rememberSchedules(tx, build, message.pipeline.when.schedule);
  const { own, place, skip } = await storeJobs(tx, job, plan);
  const decided = { nothingToDo: plan.nothingToDo, skip, fits: place.fits };
  const verdict = afterPlan(await lifeOf(tx, planned), jobRecord(own), decided, tx.now());
  const changed = await carryOut(tx, planned, verdict);
  if (plan.nothingToDo !== null) {
    return { changed, answer: { target: server.defaultTarget, job: null } };
  }
  const goesOn = place.fits && skip === null;
  if (goesOn) await insertSteps(tx, own, specOf(own)?.steps ?? []);
  const queuedJobs = await claimableJobsOf(tx, build.id);
  const answer = answerOf(goesOn ? own : { ...own, state: "queued" }, server);
  return { changed: { ...changed, queuedJobs }, answer };
}

/** Somebody cancelled it before: its jobs would be queued again, some for machines that nobody has. */
async function endUnplanned(
  tx: Tx,
  job: JobRow,
  { defaultTarget }: ServerFacts,
): Promise<RecordedPlan> {
  const changed = await decideOnJob(tx, job, cancelJob);
  return { changed, answer: { target: defaultTarget, job: null } };
}

/** Of a try that names steps, those and what they need. */
function selected(plan: BuildPlan, steps: readonly string[] | null): BuildPlan {
  if (steps === null || plan.nothingToDo !== null) return plan;
  const { jobs, unknown, known } = selectSteps(plan.jobs, { kind: "named", names: steps });
  const [first] = unknown;
  if (first !== undefined) {
    throw new UserFault("STEP_UNKNOWN", `there is no step "${first}"`, {
      hint: known.length === 0 ? "The file names no steps." : `steps: ${known.join(", ")}`,
    });
  }
  const isIdle = jobs.every(({ skip }) => skip !== null);
  return { jobs, nothingToDo: isIdle ? (jobs[0]?.skip ?? "nothing to do") : null };
}

function answerOf(job: JobRow, { defaultTarget }: ServerFacts): PlanAnswer {
  const target = job.target ?? defaultTarget;
  const spec = job.state === "running" ? specOf(job) : null;
  return { target, job: spec === null ? null : (spec as PlanAnswer["job"]) };
}

async function factsOf(
  tx: Tx,
  build: BuildRow,
  message: PlanMessage,
  { defaultTarget, targets, secrets }: ServerFacts,
): Promise<PlanFacts> {
  const trust = build.trust as TrustClass;
  const isMember = trust === "trusted" || trust === "manual";
  const pullRequest = readPullRequest(build);
  return {
    git: {
      sha: build.sha ?? build.after,
      ref: build.ref,
      defaultBranch: build.defaultBranch,
      event: await firstEvent(tx, build),
      pullRequest,
    },
    trust,
    isByHand: ["manual", "try", "rerun"].includes(build.event),
    buildsAllBranches: build.forge === "own",
    mayPublish: mayPublish(build),
    targets,
    defaultTarget,
    changes: message.changes,
    secrets: secrets
      .filter(({ pullRequests }) => (isMember && pullRequest === null) || pullRequests)
      .map(({ name }) => name),
    fresh: build.isFresh === 1,
    params: readParams(build),
  };
}

async function storePlan(
  tx: Tx,
  build: BuildRow,
  { commit, note, file, warnings }: PlanMessage,
  pipelineJson: string,
): Promise<BuildRow> {
  const set = {
    pipelineJson,
    note: note ?? build.note,
    fileJson: file === null ? null : JSON.stringify({ ...file, problems: warnings }),
    message: build.message || commit.subject,
    authorName: build.authorName || commit.authorName,
  };
  await tx.db.updateTable("builds").set(set).where("id", "=", build.id).execute();
  return { ...build, ...set };
}

/** The jobs of the plan are there; the planning worker's has the place that suits its machine. */
async function storeJobs(tx: Tx, job: JobRow, { jobs }: BuildPlan) {
  const place = ownPlace(jobs.map(placeOf), job.workerArch);
  const ids = jobs.map((_planned, position) => (position === place.index ? job.id : tx.newId("j")));
  const planned = jobs[place.index];
  const facts = planned === undefined ? {} : columnsOf(planned, place.index, ids);
  if (planned !== undefined) {
    await tx.db.updateTable("jobs").set(facts).where("id", "=", job.id).execute();
  }
  // Only now: it has left the place that another one takes.
  for (const [position, other] of jobs.entries()) {
    if (position !== place.index) await insertJob(tx, job, { planned: other, position, ids });
  }
  return { own: { ...job, ...facts }, place, skip: planned?.skip ?? null };
}

function placeOf({ spec, skip, needs, arch }: PlannedJob): PlannedPlace {
  return { kind: spec.kind, skip, needsCount: needs.length, arch };
}

function columnsOf(planned: PlannedJob, position: number, ids: string[]) {
  const { spec, needs, arch } = planned;
  return {
    position,
    name: spec.name,
    project: spec.project,
    kind: spec.kind,
    target: spec.target,
    arch,
    specJson: JSON.stringify(spec),
    needsJson: JSON.stringify(needs.map((index) => ids[index])),
    isBlocked: birthOfJob(placeOf(planned)).isBlocked,
  };
}

async function insertJob(
  tx: Tx,
  first: JobRow,
  made: {
    readonly planned: PlannedJob;
    readonly position: number;
    readonly ids: string[];
  },
): Promise<void> {
  const { planned, position, ids } = made;
  const { state } = birthOfJob(placeOf(planned));
  await insertRow(tx, "jobs", {
    ...columnsOf(planned, position, ids),
    id: ids[position] ?? tx.newId("j"),
    buildId: first.buildId,
    priority: first.priority,
    state,
    reason: planned.skip,
    attempt: 0,
    countedAttempts: 0,
    notBeforeAt: 0,
    queuedAt: tx.now(),
    startedAt: null,
    endedAt: state === "skipped" ? tx.now() : null,
    worker: null,
    workerArch: null,
    leaseTokenHash: null,
    leaseExpiresAt: null,
    goodbyeAt: null,
    returnJson: null,
  });
}

async function claimableJobsOf(tx: Tx, buildId: string): Promise<readonly string[]> {
  const rows = await tx.db
    .selectFrom("jobs")
    .select("id")
    .where("buildId", "=", buildId)
    .where("state", "=", "queued")
    .where("isBlocked", "=", 0)
    .execute();
  return rows.map(({ id }) => id);
}
