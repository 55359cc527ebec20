import { isFinal, stateOfJobs } from "../domain/states.ts";
import { findingsOf } from "./finding.ts";
import type { Finding } from "./finding.ts";
import { nameOf } from "./records.ts";
import type { BuildRecord, JobRecord, PublishRecord } from "./rows.ts";
import type { Look } from "./world.ts";

/** A dead worker's job ends, or is queued again, within this time. */
const LOST_MS = 120_000;
/** What no worker took in a day is given up; the look for it comes a little later. */
const QUEUED_MAX_MS = 25 * 3_600_000;
const RESTART = "restart the server, which compares records with leases; else cancel it";
const finding = findingsOf("I2");

/** I2: every build, job, step and publish ends, once, and nothing that has ended is under way. */
export function checkStates(look: Look): readonly Finding[] {
  const { records } = look;
  const builds = records.all("builds");
  const jobs = Map.groupBy(records.all("jobs"), ({ buildId }) => buildId);
  const publishes = Map.groupBy(records.all("publishes"), ({ buildId }) => buildId);
  return [
    ...builds.flatMap((build) => [
      ...checkEnd(build),
      ...checkParts(build, jobs.get(build.id) ?? [], publishes.get(build.id) ?? []),
    ]),
    ...checkSteps(look),
    ...records.all("jobs").flatMap((job) => checkJobEnd(job)),
    ...checkLeases(look),
    ...(look.isSettled ? checkSettled(look) : checkWaits(look)),
  ];
}

/** Final and ended are the same thing; one without the other is a state that was left again. */
function checkEnd(build: BuildRecord): readonly Finding[] {
  const where = nameOf(build);
  const wayOut = "run the commit again; please report it with the build's page";
  if (isFinal(build.state) === (build.endedAt !== null)) return [];
  const what = isFinal(build.state)
    ? "a build has ended without saying when"
    : "a build has left its final state";
  const evidence = `${build.state}, ended at ${build.endedAt ?? "never"}`;
  return [finding({ figure: "duplicated", what, where, evidence, wayOut })];
}

function checkJobEnd({ id, state, endedAt }: JobRecord): readonly Finding[] {
  if (isFinal(state) || endedAt === null) return [];
  const what = "a job has left its final state";
  const evidence = `${state}, ended at ${endedAt}`;
  return [finding({ figure: "duplicated", what, where: `job ${id}`, evidence, wayOut: RESTART })];
}

function checkParts(
  build: BuildRecord,
  jobs: readonly JobRecord[],
  publishes: readonly PublishRecord[],
): readonly Finding[] {
  const where = nameOf(build);
  const open = jobs.filter(({ state }) => !isFinal(state));
  const publishing = publishes.filter(({ state }) => state === "queued" || state === "running");
  if (isFinal(build.state)) {
    const under = [...open.map(({ id }) => `job ${id}`), ...publishing.map(({ id }) => id)];
    const what = `a build is ${build.state} while a part of it goes on`;
    const evidence = under.join(", ");
    return [
      ...(under.length === 0
        ? []
        : [finding({ figure: "unfinished", what, where, evidence, wayOut: RESTART })]),
      ...checkVerdict(build, jobs),
    ];
  }
  if (jobs.length === 0 || open.length > 0 || publishing.length > 0) return [];
  const what = "a build goes on although nothing of it is left to do";
  const evidence = `${build.state}; ${jobs.map(({ name, state }) => `${name} ${state}`).join(", ")}`;
  return [finding({ figure: "unfinished", what, where, evidence, wayOut: RESTART })];
}

/** "Passed" is a promise about the commit: no job of it may have said otherwise. */
function checkVerdict(build: BuildRecord, jobs: readonly JobRecord[]): readonly Finding[] {
  const sum = stateOfJobs(jobs.map(({ state }) => state));
  if (build.state !== "passed" || sum === undefined || sum === "passed" || sum === "skipped")
    return [];
  return [
    finding({
      what: "a build is passed although a job of it is not",
      where: nameOf(build),
      evidence: jobs.map(({ name, state }) => `${name} ${state}`).join(", "),
      wayOut: "do not trust its packages: yank them, and run the commit again",
    }),
  ];
}

/** Steps of an attempt that is over are over too. */
function checkSteps({ records }: Look): readonly Finding[] {
  const jobs = new Map(records.all("jobs").map((job) => [job.id, job]));
  return records.all("steps").flatMap((step): readonly Finding[] => {
    if (isFinal(step.state)) return [];
    const job = jobs.get(step.jobId);
    const isCurrent = job !== undefined && !isFinal(job.state) && step.attempt === job.attempt;
    if (isCurrent) return [];
    const where = `step ${step.name} of ${step.jobId}-${step.attempt}`;
    const evidence = `${step.state}; its job is ${job?.state ?? "gone"} at attempt ${job?.attempt ?? 0}`;
    const what = "a step goes on although its attempt is over";
    return [finding({ figure: "unfinished", what, where, evidence, wayOut: RESTART })];
  });
}

/** While nobody serves, clocks of leases stand still: then there is nothing to say. */
function checkLeases({ records, isServing, now }: Look): readonly Finding[] {
  if (!isServing) return [];
  const leased = [...records.all("jobs"), ...records.all("publishes")];
  return leased
    .filter(({ state }) => state === "running")
    .filter(({ leaseExpiresAt }) => (leaseExpiresAt ?? 0) + LOST_MS < now())
    .map(({ id, leaseExpiresAt }) =>
      finding({
        figure: "unfinished",
        what: "a lease ran out long ago and was not taken back",
        where: id,
        evidence: `it ended at ${new Date(leaseExpiresAt ?? 0).toISOString()}`,
        wayOut: "restart the server",
      }),
    );
}

function checkWaits({ records, isServing, now }: Look): readonly Finding[] {
  if (!isServing) return [];
  const waiting = new Set(
    records.all("builds").flatMap(({ id, waitReason }) => (waitReason === null ? [] : [id])),
  );
  return records
    .all("jobs")
    .filter(({ state, buildId }) => state === "queued" && !waiting.has(buildId))
    .filter(({ isBlocked, queuedAt }) => isBlocked === 0 && queuedAt + QUEUED_MAX_MS < now())
    .map(({ id, queuedAt }) =>
      finding({
        figure: "unfinished",
        what: "a job waits for more than a day",
        where: `job ${id}`,
        evidence: `queued at ${new Date(queuedAt).toISOString()}`,
        wayOut: "start a build worker that may take it, or cancel the build",
      }),
    );
}

function checkSettled({ records }: Look): readonly Finding[] {
  const unfinished = (where: string, evidence: string): Finding => {
    const what = "it has no final state";
    return finding({ figure: "unfinished", what, where, evidence, wayOut: RESTART });
  };
  return [
    ...records
      .all("builds")
      .filter(({ state }) => !isFinal(state))
      .map((build) => unfinished(nameOf(build), build.state)),
    ...records
      .all("jobs")
      .filter(({ state }) => !isFinal(state))
      .map(({ id, state, reason }) => unfinished(`job ${id}`, `${state}: ${reason ?? ""}`)),
    ...records
      .all("steps")
      .filter(({ state }) => !isFinal(state))
      .map((one) => unfinished(`step ${one.name} of ${one.jobId}-${one.attempt}`, one.state)),
    ...records
      .all("publishes")
      .filter(({ state }) => state === "queued" || state === "running")
      .map(({ id, state }) => unfinished(`publish ${id}`, state)),
  ];
}
