import type { State } from "../../domain/states.ts";
import type { JobRow } from "./schema.ts";
import type { Tx } from "./store.ts";

export type BuildJob = Pick<
  JobRow,
  "id" | "name" | "project" | "kind" | "state" | "reason" | "isBlocked" | "needsJson"
>;

/** A build's jobs as they are now, in order. */
export async function jobsOf(tx: Pick<Tx, "db">, buildId: string): Promise<readonly BuildJob[]> {
  return await tx.db
    .selectFrom("jobs")
    .select(["id", "name", "project", "kind", "state", "reason", "isBlocked", "needsJson"])
    .where("buildId", "=", buildId)
    .orderBy("position")
    .execute();
}

/**
 * Called when a job has ended: those that need one that did not pass are skipped, those that need
 * nothing more may be claimed. What is verified is not there yet when all are built, so `verify`
 * jobs stay blocked. Gives the jobs that may be claimed now.
 */
export async function followNeeds(tx: Tx, buildId: string): Promise<readonly string[]> {
  const jobs = await jobsOf(tx, buildId);
  const states = new Map<string, State>(jobs.map(({ id, state }) => [id, state]));
  const names = new Map(jobs.map(({ id, name }) => [id, name]));
  const freed: string[] = [];
  // A job is needed only by those after it, so one walk sees the whole chain.
  for (const job of jobs) {
    if (job.state !== "queued" || job.isBlocked === 0) continue;
    const needs = needsOf(job);
    const lost = needs.find((id) => hasNotPassed(states.get(id)));
    if (lost !== undefined) {
      await skipJob(tx, job.id, `${names.get(lost) || "an earlier job"} did not pass`);
      states.set(job.id, "skipped");
    } else if (job.kind === "build" && needs.every((id) => states.get(id) === "passed")) {
      freed.push(job.id);
    }
  }
  await unblock(tx, freed);
  return freed;
}

export function needsOf({ needsJson }: Pick<JobRow, "needsJson">): readonly string[] {
  return JSON.parse(needsJson) as string[];
}

function hasNotPassed(state: State | undefined): boolean {
  return state === "failed" || state === "errored" || state === "cancelled" || state === "skipped";
}

async function skipJob(tx: Tx, id: string, reason: string): Promise<void> {
  await tx.db
    .updateTable("jobs")
    .set({ state: "skipped", reason, endedAt: tx.now() })
    .where("id", "=", id)
    .execute();
}

/** They may be claimed from now on, and have waited since now. */
export async function unblock(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx.db
    .updateTable("jobs")
    .set({ isBlocked: 0, queuedAt: tx.now() })
    .where("id", "in", ids)
    .execute();
}

/** What had not started when the build could not go on. */
export async function skipWaitingJobs(tx: Tx, buildId: string, reason: string): Promise<void> {
  await tx.db
    .updateTable("jobs")
    .set({ state: "skipped", reason, endedAt: tx.now() })
    .where("buildId", "=", buildId)
    .where("state", "=", "queued")
    .execute();
}

/** `1 of 4 projects ran`; null: all of them, or there are no projects. */
export function tellProjects(jobs: readonly BuildJob[]): string | null {
  const all = new Set(jobs.map(({ project }) => project));
  const ran = new Set(jobs.flatMap(({ project, state }) => (state === "skipped" ? [] : [project])));
  return all.size < 2 || ran.size === all.size ? null : `${ran.size} of ${all.size} projects ran`;
}
