import { isFinal, stateOfJobs, type FinalState, type State } from "../states.ts";
import { endOfBuild, isOpen } from "./moves.ts";
import {
  after,
  NO_CHANGE,
  type BuildLife,
  type JobRecord,
  type Verdict,
  type Write,
} from "./records.ts";

/**
 * Called when a job has ended. While others are under way those that waited for it may start, or are
 * skipped; else the build ends, or its packages are on their way: first to be verified, then to where
 * its rules send them.
 */
export function settle(life: BuildLife, now: number): Verdict {
  if (isFinal(life.build.state)) return NO_CHANGE;
  const needs = followNeeds(life.jobs, now);
  const followed = after(life, needs);
  const staging = stagingOf(followed, now);
  const writes = [...needs, ...staging.writes];
  if (staging.next !== "nothing") return { writes, next: staging.next };
  const jobs = after(followed, staging.writes).jobs;
  const state = stateOfJobs(jobs.map((job) => job.state));
  if (state === undefined) return { writes, next: "nothing" };
  if (state === "passed") return { writes, next: "release" };
  return { writes: [...writes, ...endWithout(life, jobs, { state, now })], next: "nothing" };
}

/** All jobs have passed and the store knows where the packages go; nowhere: the build ends here. */
export function afterRelease(life: BuildLife, isPublishing: boolean, now: number): Verdict {
  const { build, jobs } = life;
  if (isPublishing || !isOpen(build.state)) return NO_CHANGE;
  const told = tellProjects(jobs);
  const text = told === null ? "passed" : `passed; ${told}`;
  return { writes: endBuild(life, { state: "passed", reason: null, text, now }), next: "nothing" };
}

/** A build's one final state, and what its commit shows. */
export function endBuild(
  { build }: Pick<BuildLife, "build">,
  end: {
    readonly state: FinalState;
    readonly reason: string | null;
    readonly text: string;
    readonly now: number;
    readonly showsFailure?: boolean;
  },
): readonly Write[] {
  const { state, reason, text, now, showsFailure = false } = end;
  const { id, state: from, startedAt: began } = build;
  if (!isOpen(from)) throw new Error(`Build ${id} has ended ${from} and cannot end ${state}.`);
  const endsAt = { reason, endedAt: now };
  return endOfBuild(from, state).map((move) => {
    if (move.to === "running")
      return { on: "build", id, move, set: { startedAt: now }, text: "running" };
    const startedAt = move.from === "running" ? { startedAt: began ?? now } : {};
    return { on: "build", id, move, set: { ...startedAt, ...endsAt }, text, showsFailure };
  });
}

/**
 * Jobs that need one that did not pass are skipped, those that need nothing more may be claimed. What
 * is verified is not there yet when all are built, so `verify` jobs stay blocked.
 */
function followNeeds(jobs: readonly JobRecord[], now: number): readonly Write[] {
  const states = new Map<string, State>(jobs.map(({ id, state }) => [id, state]));
  const names = new Map(jobs.map(({ id, name }) => [id, name]));
  const writes: Write[] = [];
  // A job is needed only by those after it, so one walk sees the whole chain.
  for (const job of jobs) {
    if (job.state !== "queued" || job.isBlocked === 0) continue;
    const lost = job.needs.find((id) => hasNotPassed(states.get(id)));
    if (lost !== undefined) {
      writes.push(skipped(job, `${names.get(lost) || "an earlier job"} did not pass`, now));
      states.set(job.id, "skipped");
    } else if (job.kind === "build" && job.needs.every((id) => states.get(id) === "passed")) {
      writes.push({ on: "unblocked", id: job.id, queuedAt: now });
    }
  }
  return writes;
}

function hasNotPassed(state: State | undefined): boolean {
  return state !== undefined && isFinal(state) && state !== "passed";
}

function skipped(job: JobRecord & { readonly state: State }, reason: string, now: number): Write {
  if (!isOpen(job.state)) throw new Error(`Job ${job.id} has ended ${job.state}.`);
  const move = { from: job.state, to: "skipped" } as const;
  return { on: "job", id: job.id, move, set: { reason, endedAt: now } };
}

/** What had not started when the build could not go on. */
export function skipWaiting(
  { jobs }: Pick<BuildLife, "jobs">,
  reason: string,
  now: number,
): readonly Write[] {
  return jobs.filter(({ state }) => state === "queued").map((job) => skipped(job, reason, now));
}

/** All jobs that build have passed and others are there to verify what they made. */
function stagingOf(life: BuildLife, now: number): Verdict {
  const { jobs, publishes, hasPackages } = life;
  const waits = jobs.some(({ kind, state }) => kind === "verify" && state === "queued");
  const isBuilt = jobs.every(
    ({ kind, state }) => kind === "verify" || state === "passed" || state === "skipped",
  );
  const isStaged = publishes.some(({ purpose }) => purpose === "stage");
  if (!waits || !isBuilt || isStaged) return NO_CHANGE;
  if (hasPackages) return { writes: [], next: "stage" };
  return { writes: skipWaiting(life, "there are no packages to verify", now), next: "nothing" };
}

/** What a build made is in its own channel: the jobs that verify it may start. */
export function startVerify({ jobs }: Pick<BuildLife, "jobs">, now: number): readonly Write[] {
  return jobs
    .filter(
      ({ kind, state, isBlocked }) => kind === "verify" && state === "queued" && isBlocked === 1,
    )
    .map(({ id }) => ({ on: "unblocked", id, queuedAt: now }));
}

/** The build ends otherwise than passed: a card, a reason, and the projects that took part. */
function endWithout(
  life: BuildLife,
  jobs: readonly JobRecord[],
  { state, now }: { readonly state: FinalState; readonly now: number },
): readonly Write[] {
  const told = tellProjects(jobs);
  const showsFailure = state !== "cancelled";
  const why = jobs.find((job) => job.state === state)?.reason ?? null;
  const isNone = state === "skipped" && told !== null;
  const reason = isNone ? `${told}: ${why ?? "none is concerned"}` : why;
  const title = showsFailure ? life.build.failureTitle : null;
  return endBuild(life, { state, reason, text: title ?? reason ?? state, now, showsFailure });
}

/** `1 of 4 projects ran`; null: all of them, or there are no projects. */
export function tellProjects(jobs: readonly Pick<JobRecord, "project" | "state">[]): string | null {
  const all = new Set(jobs.map(({ project }) => project));
  const ran = new Set(jobs.flatMap(({ project, state }) => (state === "skipped" ? [] : [project])));
  return all.size < 2 || ran.size === all.size ? null : `${ran.size} of ${all.size} projects ran`;
}
