import type { FailureCard } from "../../shared/message-parts.ts";
import type {
  BuildSummary,
  BuildView,
  JobView,
  PublishView,
  ReadStore,
  StepFailureView,
  StepView,
} from "../views.ts";
import { packagesOf } from "./builds.ts";
import { packageViews } from "./read-packages.ts";
import type { BuildRow, JobRow, PublishRow, StepRow } from "./schema.ts";
import type { Reader } from "./store.ts";

export async function listBuilds(
  { db }: Reader,
  filter: Parameters<ReadStore["listBuilds"]>[0],
): Promise<readonly BuildSummary[]> {
  let query = db.selectFrom("builds").selectAll();
  if (filter.repo !== undefined) query = query.where("repo", "=", filter.repo);
  if (filter.state !== undefined) query = query.where("state", "=", filter.state);
  if (filter.beforeAt !== undefined) query = query.where("createdAt", "<", filter.beforeAt);
  // Within a repo the numbers are the order, and there is an index for them.
  if (filter.repo === undefined) query = query.orderBy("createdAt", "desc");
  const rows = await query.orderBy("number", "desc").limit(filter.limit).execute();
  return rows.map(summaryOf);
}

export async function buildView(
  store: Reader,
  build: BuildRow | undefined,
): Promise<BuildView | undefined> {
  if (build === undefined) return undefined;
  const { db } = store;
  const jobs = await db
    .selectFrom("jobs")
    .selectAll()
    .where("buildId", "=", build.id)
    .orderBy("position")
    .execute();
  const steps = await db
    .selectFrom("steps")
    .innerJoin("jobs", (join) =>
      join.onRef("jobs.id", "=", "steps.jobId").onRef("jobs.attempt", "=", "steps.attempt"),
    )
    .selectAll("steps")
    .where("jobs.buildId", "=", build.id)
    .orderBy("steps.position")
    .execute();
  const publish = await db
    .selectFrom("publishes")
    .selectAll()
    .where("buildId", "=", build.id)
    .executeTakeFirst();
  const packages = await db
    .selectFrom("packages")
    .selectAll()
    .where("buildId", "=", build.id)
    .orderBy("nevra")
    .execute();
  const { before, defaultBranch, cancelRequestedAt, note } = build;
  return {
    ...summaryOf(build),
    before,
    defaultBranch,
    cancelRequestedAt,
    note,
    jobs: jobs.map((job) => jobOf(job, steps)),
    publish: publish === undefined ? null : publishOf(publish),
    packages: await packageViews(store, packages),
    artifacts: await packagesOf(store, build.id),
  };
}

function summaryOf(build: BuildRow): BuildSummary {
  const { id, repo, number, forge, sha, ref, message, authorName, pusher, event } = build;
  const { state, reason, rerunOf, createdAt, startedAt, endedAt } = build;
  const failure =
    build.failureJson === null ? null : (JSON.parse(build.failureJson) as FailureCard);
  return {
    id,
    repo,
    number,
    forge,
    sha,
    ref,
    message,
    authorName,
    pusher,
    event,
    state,
    reason: reason ?? (state === "queued" ? "waiting for a worker" : null),
    rerunOf,
    createdAt,
    startedAt,
    endedAt,
    failure,
  };
}

function jobOf(job: JobRow, steps: readonly StepRow[]): JobView {
  const { id, target, state, reason, attempt, queuedAt, startedAt, endedAt, worker } = job;
  const own = steps.filter((step) => step.jobId === id).map(stepOf);
  return { id, target, state, reason, attempt, queuedAt, startedAt, endedAt, worker, steps: own };
}

function stepOf({ name, kind, state, note, startedAt, endedAt, failureJson }: StepRow): StepView {
  const failure = failureJson === null ? null : (JSON.parse(failureJson) as StepFailureView);
  return { name, kind, state, note, startedAt, endedAt, failure };
}

function publishOf(publish: PublishRow): PublishView {
  const { state, startedAt, endedAt, durationMs, keyFingerprint } = publish;
  return {
    state,
    startedAt,
    endedAt,
    durationMs,
    keyFingerprint,
    channels: JSON.parse(publish.channelsJson) as string[],
    generations: JSON.parse(publish.generationsJson ?? "[]") as PublishView["generations"],
    warnings: JSON.parse(publish.warningsJson ?? "[]") as string[],
  };
}
