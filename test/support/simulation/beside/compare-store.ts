import type { JobRecord } from "../../../../src/domain/life/records.ts";
import type { StatusRecord } from "../../../../src/domain/life/status.ts";
import type { Store } from "../../../../src/server/store/store.ts";
import type { Lives } from "../records/lives.ts";

/** What differs between the rows of the store and the records of the model. */
export async function compare(db: Store["db"], model: Lives): Promise<readonly string[]> {
  const builds = await db.selectFrom("builds").selectAll().orderBy("number").execute();
  const jobs = await db.selectFrom("jobs").selectAll().orderBy("position").execute();
  const publishes = await db.selectFrom("publishes").selectAll().execute();
  const outbox = await db.selectFrom("outbox").selectAll().execute();
  const inStore = builds.map((build) =>
    JSON.stringify([
      [build.state, build.startedAt, build.endedAt, build.cancelRequestedAt],
      jobs.filter(({ buildId }) => buildId === build.id).map(jobFacts),
      publishes.filter(({ buildId }) => buildId === build.id).map(publishFacts),
    ]),
  );
  const inModel = model.builds.map(({ life: { build, jobs, publishes } }) => {
    const ends = build as typeof build & { readonly endedAt?: number };
    const { state, startedAt, endedAt = null, cancelRequestedAt } = ends;
    const facts = [state, startedAt, endedAt, cancelRequestedAt];
    return JSON.stringify([facts, jobs.map(jobFacts), publishes.map(publishFacts)]);
  });
  const statuses = outbox.flatMap((row) => {
    const said = JSON.stringify(statusFacts(row));
    const wanted = JSON.stringify(statusFacts(model.outbox.row(row.sha)));
    return said === wanted ? [] : [`status of ${row.sha}: store ${said}, model ${wanted}`];
  });
  const lives = inStore.flatMap((row, index) =>
    row === inModel[index] ? [] : [`#${index + 1}: store ${row}, model ${inModel[index]}`],
  );
  return [...lives, ...statuses];
}

type JobFacts = Pick<
  JobRecord,
  | "state"
  | "kind"
  | "isBlocked"
  | "attempt"
  | "countedAttempts"
  | "notBeforeAt"
  | "queuedAt"
  | "leaseExpiresAt"
  | "goodbyeAt"
>;

function jobFacts(job: JobFacts) {
  const { state, kind, isBlocked, attempt, countedAttempts } = job;
  const { notBeforeAt, queuedAt, leaseExpiresAt, goodbyeAt } = job;
  const times = [notBeforeAt, queuedAt, leaseExpiresAt, goodbyeAt];
  return [state, kind, isBlocked, attempt, countedAttempts, ...times];
}

function publishFacts(
  publish: Omit<JobFacts, "kind" | "isBlocked" | "goodbyeAt" | "state"> & {
    readonly state: string;
    readonly purpose: string;
  },
) {
  const { state, purpose, attempt, countedAttempts, notBeforeAt, leaseExpiresAt } = publish;
  return [state, purpose, attempt, countedAttempts, notBeforeAt, leaseExpiresAt];
}

function statusFacts(row: StatusRecord) {
  const { state, buildNumber, version, sentVersion, tries, nextTryAt, terminalReason } = row;
  const { leaseToken, leaseUntilAt, doubtUntilAt, checkAt, updatedAt } = row;
  const times = [nextTryAt, leaseUntilAt, doubtUntilAt, checkAt, updatedAt];
  return [state, buildNumber, version, sentVersion, tries, terminalReason, leaseToken, ...times];
}
