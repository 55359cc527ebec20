import { shellsOf } from "./shells.ts";
import { offeredFile, partsOfGuess } from "../../domain/offered-file.ts";
import { isFinal } from "../../domain/states.ts";
import { withNewSince } from "./failing-since.ts";
import { keptFilesOf } from "./kept-files.ts";
import type { StepDetails } from "../../shared/build-messages.ts";
import type { FailureCard } from "../../shared/message-parts.ts";
import type {
  BuildSummary,
  BuildView,
  JobView,
  PipelineFileView,
  PublishView,
  ReadStore,
  StepFailureView,
  StepView,
  ComparedView,
} from "../views.ts";
import { packagesOf } from "./build-packages.ts";
import { needsOf } from "./life-records.ts";
import { lostAttemptsOf } from "./lost-attempts.ts";
import { readParams, readPullRequest } from "./new-builds.ts";
import { packageViews } from "./read-packages.ts";
import type { BuildRow, JobRow, PublishRow, StepRow } from "./schema.ts";
import type { Reader } from "./store.ts";
import { refusedStatusOf } from "./read-stuck.ts";
import { readPlan, waitsForApproval } from "./stored-plan.ts";
import { testsSummaryOf } from "./test-reads.ts";

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
  const lost = await lostAttemptsOf(store, build.id);
  const publishes = await db
    .selectFrom("publishes")
    .selectAll()
    .where("buildId", "=", build.id)
    .execute();
  const publishFor = (purpose: PublishRow["purpose"]): PublishView | null => {
    const publish = publishes.find((one) => one.purpose === purpose);
    return publish === undefined ? null : publishOf(publish);
  };
  const packages = await db
    .selectFrom("packages")
    .selectAll()
    .where("buildId", "=", build.id)
    // What was never released is in the build's own channel, and no package that hosts can have.
    .where("freedAt", "is", null)
    .orderBy("nevra")
    .execute();
  const { before, defaultBranch, cancelRequestedAt, note } = build;
  const summary = summaryOf(build);
  return {
    ...summary,
    failure: summary.failure && (await withNewSince(store, build, summary.failure)),
    before,
    defaultBranch,
    cancelRequestedAt,
    pullRequest: readPullRequest(build),
    params: readParams(build),
    supersededBy: await numberOf(store, build.supersededBy),
    compareWith: await comparedWith(store, build),
    isFresh: build.isFresh === 1,
    waitReason: waitsForApproval(build) ? build.waitReason : null,
    file: build.fileJson === null ? null : (JSON.parse(build.fileJson) as PipelineFileView),
    guess: guessOf(build),
    note,
    jobs: jobs.map((job) => ({ ...jobOf(job, steps), lostAttempts: lost.get(job.id) ?? [] })),
    staging: publishFor("stage"),
    publish: publishFor("final"),
    packages: await packageViews(store, packages),
    artifacts: (await packagesOf(store, build.id)).map(({ project: _project, ...made }) => made),
    kept: await keptFilesOf(store, build.id),
    tests: await testsSummaryOf(store, build.id),
    shells: await shellsOf(store, build.id),
    logsRemovedAt: build.logsRemovedAt,
    refusedStatus: await refusedStatusOf(store, build),
  };
}

/** What was guessed, as the file that would say it; null where there is one. */
function guessOf(build: BuildRow): string | null {
  if (build.fileJson !== null || build.note === null) return null;
  const plan = readPlan(build);
  return (plan && offeredFile(partsOfGuess(plan.pipeline))) ?? null;
}

/** Digests are enough to say which packages differ; in what they do, the files themselves say. */
async function comparedWith(
  store: Reader,
  { id, state, compareWith }: BuildRow,
): Promise<ComparedView | null> {
  const older = await numberOf(store, compareWith);
  if (older === null) return null;
  if (state !== "passed") return { ...older, differing: null };
  const digests = async (buildId: string) =>
    new Map(
      (await packagesOf(store, buildId)).map(({ target, fileName, sha256 }) => {
        return [`${target} ${fileName}`, sha256] as const;
      }),
    );
  const [before, after] = [await digests(older.id), await digests(id)];
  const names = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  const differing = names.filter((name) => before.get(name) !== after.get(name));
  return { ...older, differing: differing.map((name) => name.slice(name.indexOf(" ") + 1)) };
}

async function numberOf(
  { db }: Reader,
  buildId: string | null,
): Promise<{ readonly id: string; readonly number: number } | null> {
  if (buildId === null) return null;
  const newer = db.selectFrom("builds").select(["id", "number"]).where("id", "=", buildId);
  return (await newer.executeTakeFirst()) ?? null;
}

function summaryOf(build: BuildRow): BuildSummary {
  const { id, repo, number, forge, sha, ref, message, authorName, pusher, event } = build;
  const { state, reason, rerunOf, createdAt, startedAt, endedAt } = build;
  const waiting = build.waitReason ?? (state === "queued" ? "waiting for a worker" : null);
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
    reason: isFinal(state) ? reason : (reason ?? waiting),
    rerunOf,
    createdAt,
    startedAt,
    endedAt,
    failure,
  };
}

function jobOf(job: JobRow, steps: readonly StepRow[]): JobView {
  const { id, name, project, kind, target, arch, state, reason, attempt } = job;
  const { queuedAt, startedAt, endedAt, worker } = job;
  const facts = { id, name, project, kind, target, arch, state, reason, attempt };
  const needs = needsOf(job);
  const own = steps.filter((step) => step.jobId === id).map(stepOf);
  return { ...facts, queuedAt, startedAt, endedAt, worker, needs, steps: own };
}

function stepOf(step: StepRow): StepView {
  const { name, title, kind, state, note, startedAt, endedAt, failureJson, detailsJson } = step;
  const failure = failureJson === null ? null : (JSON.parse(failureJson) as StepFailureView);
  const details = detailsJson === null ? null : (JSON.parse(detailsJson) as StepDetails);
  return { name, title, kind, state, note, startedAt, endedAt, failure, details };
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
