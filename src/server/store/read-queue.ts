import { STRANGER_JOBS_MAX } from "../../domain/job-priority.ts";
import { medianMs, waitings, type QueuedJob, type Waiting } from "../../domain/waiting.ts";
import type { BuildView } from "../views.ts";
import type { WorkerRoll } from "../worker-roll.ts";
import { inChunks } from "./chunks.ts";
import { drainedBuilders, waitingStages, withPublishWaiting } from "./missing-workers.ts";
import { needsOf } from "./life-records.ts";
import type { BuildRow, JobRow } from "./schema.ts";
import type { Reader } from "./store.ts";

/** Beyond these nobody asks for a place in the line. */
const QUEUE_READ_MAX = 2_000;
/** Newest passed jobs that durations are taken from. */
const DURATIONS_READ_MAX = 500;
const WORKER_ALIVE_MS = 60_000;

type Roll = Pick<WorkerRoll, "seenAt">;

export interface QueueEntry {
  readonly jobId: string;
  readonly buildId: string;
  readonly repo: string;
  readonly number: number;
  readonly ref: string;
  /** "" before the plan. */
  readonly name: string;
  readonly state: "queued" | "running";
  readonly priority: number;
  readonly queuedAt: number;
  readonly startedAt: number | null;
  readonly worker: string | null;
  /** Null while it runs. */
  readonly waiting: Waiting | null;
}

type Row = Pick<
  JobRow,
  | "id"
  | "buildId"
  | "name"
  | "project"
  | "kind"
  | "arch"
  | "state"
  | "reason"
  | "priority"
  | "needsJson"
  | "isBlocked"
  | "notBeforeAt"
  | "queuedAt"
  | "startedAt"
  | "worker"
> &
  Pick<BuildRow, "repo" | "number" | "ref" | "trust" | "pusher" | "isReady" | "waitReason">;

/** All that runs and waits, what runs first and then in the order in which it is likely to start. */
export async function readQueue(reader: Reader, roll: Roll): Promise<readonly QueueEntry[]> {
  const rows = await openRows(reader);
  const told = await waitingsOf(reader, roll, rows);
  const running = rows.filter(({ state }) => state === "running");
  const queued = rows.filter(({ state }) => state === "queued");
  const placeOf = ({ id }: Row): number => told.get(id)?.ahead ?? queued.length;
  const inOrder = queued.toSorted((one, other) => placeOf(one) - placeOf(other));
  return [...running, ...inOrder].map((row) => ({
    jobId: row.id,
    buildId: row.buildId,
    repo: row.repo,
    number: row.number,
    ref: row.ref,
    name: row.name,
    state: row.state === "running" ? "running" : "queued",
    priority: row.priority,
    queuedAt: row.queuedAt,
    startedAt: row.startedAt,
    worker: row.worker,
    waiting: told.get(row.id) ?? null,
  }));
}

/** Why each queued job of a build waits, by the job's id; empty when none does. */
export async function waitingOf(
  reader: Reader,
  roll: Roll,
  build: Pick<BuildRow, "id" | "state">,
): Promise<ReadonlyMap<string, Waiting>> {
  if (build.state !== "queued" && build.state !== "running") return new Map();
  const own = await reader.db
    .selectFrom("jobs")
    .select("id")
    .where("buildId", "=", build.id)
    .where("state", "=", "queued")
    .execute();
  if (own.length === 0) return new Map();
  const told = await waitingsOf(reader, roll, await openRows(reader));
  return new Map(
    own.flatMap(({ id }) => {
      const waiting = told.get(id);
      return waiting === undefined ? [] : [[id, waiting] as const];
    }),
  );
}

/** A build's view with what its jobs and publishes wait for; as it was when none does. */
export async function withWaiting(
  reader: Reader,
  roll: Roll,
  view: BuildView | undefined,
): Promise<BuildView | undefined> {
  if (view === undefined) return undefined;
  const told = await waitingOf(reader, roll, view);
  const published = await withPublishWaiting(reader, view);
  if (told.size === 0) return published;
  const waiting = view.state === "queued" ? firstWaiting(told.values()) : null;
  const jobs = view.jobs.map((job) => {
    const why = told.get(job.id);
    return why === undefined ? job : { ...job, waiting: why, reason: why.reason };
  });
  return { ...published, jobs, waiting, reason: waiting?.reason ?? published.reason };
}

/** The one to show for a build of which nothing runs: that of the job which starts first. */
export function firstWaiting(waiting: Iterable<Waiting>): Waiting | null {
  const all = [...waiting];
  const inLine = all.filter(({ ahead }) => ahead !== null);
  return inLine.toSorted((a, b) => (a.ahead ?? 0) - (b.ahead ?? 0))[0] ?? all[0] ?? null;
}

async function openRows({ db }: Reader): Promise<readonly Row[]> {
  return await db
    .selectFrom("jobs")
    .innerJoin("builds", "builds.id", "jobs.buildId")
    .select([
      "jobs.id",
      "jobs.buildId",
      "jobs.name",
      "jobs.project",
      "jobs.kind",
      "jobs.arch",
      "jobs.state",
      "jobs.reason",
      "jobs.priority",
      "jobs.needsJson",
      "jobs.isBlocked",
      "jobs.notBeforeAt",
      "jobs.queuedAt",
      "jobs.startedAt",
      "jobs.worker",
      "builds.repo",
      "builds.number",
      "builds.ref",
      "builds.trust",
      "builds.pusher",
      "builds.isReady",
      "builds.waitReason",
    ])
    .where("jobs.state", "in", ["queued", "running"])
    .orderBy("jobs.queuedAt")
    .orderBy("builds.number")
    .orderBy("jobs.position")
    .limit(QUEUE_READ_MAX)
    .execute();
}

async function waitingsOf(
  reader: Reader,
  roll: Roll,
  rows: readonly Row[],
): Promise<ReadonlyMap<string, Waiting>> {
  const now = reader.now();
  const running = rows.filter(({ state }) => state === "running");
  const queued = rows.filter(({ state }) => state === "queued");
  if (queued.length === 0) return new Map();
  const typical = await typicalDurations(reader);
  const needed = await neededJobs(reader, queued);
  const busy = busyStrangers(running);
  const staging = await waitingStages(reader, queued);
  const jobs = queued.map((row): QueuedJob => ({
    id: row.id,
    repo: row.repo,
    priority: row.priority,
    queuedAt: row.queuedAt,
    arch: row.arch,
    waitReason: row.waitReason,
    notBeforeAt: row.notBeforeAt,
    isReady: row.isReady === 1,
    isBlocked: row.isBlocked === 1,
    stageWaits: staging.get(row.buildId) ?? null,
    needs: row.isBlocked === 1 ? openNeeds(row, needed) : [],
    lastReason: row.reason,
    busyStranger: row.trust === "fork-pr" && busy.has(row.pusher) ? row.pusher : null,
    typicalMs: typical(row),
  }));
  return waitings(jobs, {
    now,
    running: running.map((row) => ({ repo: row.repo, leftMs: leftMs(row, typical(row), now) })),
    workersSeenAt: roll.seenAt(),
    aliveSinceAt: now - WORKER_ALIVE_MS,
    drained: await drainedBuilders(reader),
  });
}

/** One that takes longer than usual is expected to end soon, not to have ended. */
function leftMs({ startedAt }: Row, typicalMs: number | null, now: number): number | null {
  if (typicalMs === null || startedAt === null) return null;
  return Math.max(typicalMs / 10, typicalMs - (now - startedAt));
}

function busyStrangers(running: readonly Row[]): ReadonlySet<string> {
  const counts = new Map<string, number>();
  for (const { trust, pusher } of running) {
    if (trust === "fork-pr") counts.set(pusher, (counts.get(pusher) ?? 0) + 1);
  }
  return new Set([...counts].flatMap(([who, jobs]) => (jobs >= STRANGER_JOBS_MAX ? [who] : [])));
}

type Needed = Pick<JobRow, "id" | "name" | "project" | "state">;

async function neededJobs({ db }: Reader, queued: readonly Row[]) {
  const blocked = queued.filter(({ isBlocked }) => isBlocked === 1);
  const rows = await inChunks(blocked.flatMap(needsOf), (some) =>
    db
      .selectFrom("jobs")
      .select(["id", "name", "project", "state"])
      .where("id", "in", some)
      .execute(),
  );
  return new Map<string, Needed>(rows.map((row) => [row.id, row]));
}

/** `el9.x86_64 (tests)`: within a project others wait for the tests of the first job. */
function openNeeds(row: Row, needed: ReadonlyMap<string, Needed>): readonly string[] {
  return needsOf(row).flatMap((id) => {
    const job = needed.get(id);
    if (job === undefined || job.state === "passed") return [];
    return [row.kind === "build" && job.project === row.project ? `${job.name} (tests)` : job.name];
  });
}

/** By the same job of the same repo, else by any of the repo, else by any at all. */
async function typicalDurations({ db }: Reader) {
  const rows = await db
    .selectFrom("jobs")
    .innerJoin("builds", "builds.id", "jobs.buildId")
    .select(["builds.repo", "jobs.name", "jobs.startedAt", "jobs.endedAt"])
    .where("jobs.state", "=", "passed")
    .orderBy("jobs.queuedAt", "desc")
    .limit(DURATIONS_READ_MAX)
    .execute();
  const known = new Map<string, number[]>();
  for (const { repo, name, startedAt, endedAt } of rows) {
    if (startedAt === null || endedAt === null) continue;
    for (const key of ["", repo, `${repo} ${name}`]) {
      const durations = known.get(key) ?? [];
      known.set(key, durations);
      durations.push(endedAt - startedAt);
    }
  }
  const medians = new Map([...known].map(([key, durations]) => [key, medianMs(durations)]));
  return ({ repo, name }: Pick<Row, "repo" | "name">): number | null =>
    medians.get(`${repo} ${name}`) ?? medians.get(repo) ?? medians.get("") ?? null;
}
