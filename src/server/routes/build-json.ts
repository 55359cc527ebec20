import type {
  ArtifactView,
  BuildSummary,
  BuildView,
  JobView,
  KeptView,
  PackageView,
  PublishView,
  StepView,
} from "../views.ts";
import type { RefusedStatus } from "../stuck.ts";
import { artifactPath, buildPath } from "../pages/parts.ts";
import { keptPath } from "../pages/kept.ts";
import { stepPath } from "../pages/step-path.ts";
import { testsSummaryJson } from "./test-json.ts";

/** A build as programs see it; docs/reference/api.md describes every field. Instants are ISO 8601. */
export function buildJson(build: BuildView, publicUrl: string) {
  return {
    ...summaryJson(build, publicUrl),
    before: build.before,
    defaultBranch: build.defaultBranch,
    cancelRequestedAt: instant(build.cancelRequestedAt),
    pullRequest: build.pullRequest,
    params: build.params,
    supersededBy: build.supersededBy,
    compareWith: build.compareWith,
    isFresh: build.isFresh,
    waitReason: build.waitReason,
    waiting: build.waiting ?? null,
    file: build.file,
    guess: build.guess ?? null,
    note: build.note,
    logsRemovedAt: instant(build.logsRemovedAt ?? null),
    refusedStatus: refusedStatusJson(build.refusedStatus ?? null),
    jobs: build.jobs.map((job) => jobJson(build, job, publicUrl)),
    staging: build.staging === null ? null : publishJson(build.staging),
    publish: build.publish === null ? null : publishJson(build.publish),
    packages: build.packages.map(packageJson),
    tests: testsSummaryJson(build.tests),
    artifacts: build.artifacts.map((one) => artifactJson(build, one, publicUrl)),
    kept: build.kept.map((file) => keptJson(build.id, file, publicUrl)),
    shells: (build.shells ?? []).map(({ startedAt, endedAt, ...shell }) => {
      return { ...shell, startedAt: instant(startedAt), endedAt: instant(endedAt) };
    }),
    timings: timings(build),
  };
}

function refusedStatusJson(refused: RefusedStatus | null) {
  return refused === null ? null : { ...refused, at: instant(refused.at) };
}

export function summaryJson(build: BuildSummary, publicUrl: string) {
  return {
    id: build.id,
    repo: build.repo,
    number: build.number,
    url: publicUrl + buildPath(build),
    forge: build.forge,
    event: build.event,
    rerunOf: build.rerunOf,
    sha: build.sha,
    ref: build.ref,
    message: build.message,
    authorName: build.authorName,
    pusher: build.pusher,
    state: build.state,
    reason: build.reason,
    failure: build.failure,
    createdAt: instant(build.createdAt),
    startedAt: instant(build.startedAt),
    endedAt: instant(build.endedAt),
  };
}

function jobJson(build: BuildView, job: JobView, publicUrl: string) {
  return {
    id: job.id,
    name: job.name,
    project: job.project,
    kind: job.kind,
    target: job.target,
    arch: job.arch,
    needs: job.needs,
    waiting: job.waiting ?? null,
    state: job.state,
    reason: job.reason,
    attempt: job.attempt,
    lostAttempts: (job.lostAttempts ?? []).map(({ endedAt, ...lost }) => {
      return { ...lost, endedAt: instant(endedAt) };
    }),
    worker: job.worker,
    queuedAt: instant(job.queuedAt),
    startedAt: instant(job.startedAt),
    endedAt: instant(job.endedAt),
    steps: job.steps.map((step) => stepJson(build, job, step, publicUrl)),
  };
}

function stepJson(build: BuildView, job: JobView, step: StepView, publicUrl: string) {
  const query = new URLSearchParams({ job: job.id, step: step.name }).toString();
  return {
    name: step.name,
    title: step.title,
    kind: step.kind,
    state: step.state,
    note: step.note,
    startedAt: instant(step.startedAt),
    endedAt: instant(step.endedAt),
    durationMs: between(step.startedAt, step.endedAt),
    failure: step.failure,
    details: step.details,
    url: publicUrl + stepPath(build, job, step),
    logUrl: `${publicUrl}/api/builds/${encodeURIComponent(build.id)}/log?${query}`,
  };
}

function publishJson(publish: PublishView) {
  const { state, channels, generations, keyFingerprint, durationMs } = publish;
  return {
    state,
    waiting: publish.waiting ?? null,
    channels,
    generations,
    keyFingerprint,
    startedAt: instant(publish.startedAt),
    endedAt: instant(publish.endedAt),
    durationMs,
  };
}

function packageJson(one: PackageView) {
  return {
    nevra: one.nevra,
    name: one.name,
    version: one.version,
    release: one.release,
    arch: one.arch,
    summary: one.summary,
    license: one.license,
    fileName: one.fileName,
    sizeBytes: one.sizeBytes,
    sha256: one.signedSha256,
    publishedAt: instant(one.publishedAt),
    listings: one.listings,
  };
}

function artifactJson(build: BuildView, one: ArtifactView, publicUrl: string) {
  const { fileName, sizeBytes, sha256, target } = one;
  return { fileName, sizeBytes, sha256, target, url: publicUrl + artifactPath(build.id, one) };
}

/** Also what `GET /api/builds/<id>/kept` lists. */
export function keptJson(buildId: string, file: KeptView, publicUrl: string) {
  const { jobId, jobName, step, path, sizeBytes, sha256, isExecutable, expiresAt } = file;
  return {
    path,
    step,
    job: { id: jobId, name: jobName },
    sizeBytes,
    sha256,
    isExecutable,
    expiresAt: instant(expiresAt),
    url: publicUrl + keptPath(buildId, file),
  };
}

/** Where the time went, in milliseconds; null for what has not ended. */
function timings(build: BuildView) {
  return {
    waitedMs: between(build.createdAt, build.startedAt),
    ranMs: between(build.startedAt, build.endedAt),
    publishMs: build.publish?.durationMs ?? null,
    totalMs: between(build.createdAt, build.endedAt),
  };
}

function instant(at: number): string;
function instant(at: number | null): string | null;
function instant(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

function between(from: number | null, to: number | null): number | null {
  return from === null || to === null ? null : to - from;
}
