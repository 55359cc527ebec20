import type { JobRow, StepRow } from "./schema.ts";
import type { Reader } from "./store.ts";

export interface PlannedRow extends Pick<JobRow, "id" | "needsJson" | "state" | "reason"> {
  readonly specJson: string;
  /** Of its newest attempt. */
  readonly steps: readonly Pick<StepRow, "name" | "detailsJson">[];
}

/** The jobs of a build as they were planned, in their order; none before the plan. */
export async function plannedOf(
  { db }: Pick<Reader, "db">,
  buildId: string,
): Promise<readonly PlannedRow[]> {
  const jobs = await db
    .selectFrom("jobs")
    .select(["id", "needsJson", "state", "reason", "specJson"])
    .where("buildId", "=", buildId)
    .orderBy("position")
    .execute();
  const steps = await db
    .selectFrom("steps")
    .innerJoin("jobs", (join) =>
      join.onRef("jobs.id", "=", "steps.jobId").onRef("jobs.attempt", "=", "steps.attempt"),
    )
    .select(["steps.jobId", "steps.name", "steps.detailsJson"])
    .where("jobs.buildId", "=", buildId)
    .execute();
  return jobs.flatMap(({ specJson, ...job }) =>
    specJson === null
      ? []
      : [{ ...job, specJson, steps: steps.filter(({ jobId }) => jobId === job.id) }],
  );
}
