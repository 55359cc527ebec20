import { isFinal, stateOfJobs } from "../../domain/states.ts";
import type { FailureCard } from "../../shared/message-parts.ts";
import { endBuild, findBuild, type Changed } from "./builds.ts";
import { followNeeds, jobsOf, tellProjects } from "./job-needs.ts";
import type { BuildRow } from "./schema.ts";
import type { Tx } from "./store.ts";
import { release, stageIfBuilt } from "./verify-release.ts";

/**
 * Called when a job has ended. While others are under way those that waited for it may start, or are
 * skipped; else the build ends, or its packages are on their way: first to be verified, then to where
 * its rules send them.
 */
export async function settleBuild(
  tx: Tx,
  buildId: string,
  failure: FailureCard | null,
): Promise<Changed> {
  const known = await findBuild(tx, buildId);
  if (known === undefined || isFinal(known.state)) return { buildId };
  const build = await keepFailure(tx, known, failure);
  const queuedJobs = await followNeeds(tx, buildId);
  const staging = await stageIfBuilt(tx, build);
  const jobs = await jobsOf(tx, buildId);
  const state = stateOfJobs(jobs.map((job) => job.state));
  if (state === undefined) return { ...staging, buildId, queuedJobs };

  const told = tellProjects(jobs);
  if (state === "passed") {
    const publishing = await release(tx, build);
    if (publishing !== undefined) return publishing;
    const text = told === null ? "passed" : `passed; ${told}`;
    return { buildId, statusId: await endBuild(tx, build, { state, reason: null, text }) };
  }
  const card = build.failureJson === null ? null : (JSON.parse(build.failureJson) as FailureCard);
  const shown = state === "cancelled" ? null : card;
  const why = jobs.find((job) => job.state === state)?.reason ?? null;
  const isNone = state === "skipped" && told !== null;
  const reason = isNone ? `${told}: ${why ?? "none is concerned"}` : why;
  const text = shown?.title ?? reason ?? state;
  const statusId = await endBuild(tx, build, { state, reason, text, failure: shown });
  return { buildId, statusId };
}

/** The first one is what people read; those of jobs that end after it say their own on the page. */
async function keepFailure(
  tx: Tx,
  build: BuildRow,
  failure: FailureCard | null,
): Promise<BuildRow> {
  if (failure === null || build.failureJson !== null) return build;
  const failureJson = JSON.stringify(failure);
  await tx.db.updateTable("builds").set({ failureJson }).where("id", "=", build.id).execute();
  return { ...build, failureJson };
}
