import type {
  ArtifactView,
  BuildSummary,
  BuildView,
  JobView,
  PackageView,
  PublishView,
  StepView,
} from "../views.ts";
import { artifactPath, buildPath } from "../pages/parts.ts";
import { stepPath } from "../pages/step-path.ts";

/** A build as programs see it; docs/reference/api.md describes every field. Instants are ISO 8601. */
export function buildJson(build: BuildView, publicUrl: string) {
  return {
    ...summaryJson(build, publicUrl),
    before: build.before,
    defaultBranch: build.defaultBranch,
    cancelRequestedAt: instant(build.cancelRequestedAt),
    note: build.note,
    jobs: build.jobs.map((job) => jobJson(build, job, publicUrl)),
    publish: build.publish === null ? null : publishJson(build.publish),
    packages: build.packages.map(packageJson),
    artifacts: build.artifacts.map((one) => artifactJson(build, one, publicUrl)),
    timings: timings(build),
  };
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
    target: job.target,
    state: job.state,
    reason: job.reason,
    attempt: job.attempt,
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
    kind: step.kind,
    state: step.state,
    note: step.note,
    startedAt: instant(step.startedAt),
    endedAt: instant(step.endedAt),
    durationMs: between(step.startedAt, step.endedAt),
    failure: step.failure,
    url: publicUrl + stepPath(build, job, step),
    logUrl: `${publicUrl}/api/builds/${encodeURIComponent(build.id)}/log?${query}`,
  };
}

function publishJson(publish: PublishView) {
  const { state, channels, generations, keyFingerprint, durationMs } = publish;
  return {
    state,
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
