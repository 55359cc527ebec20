import { CARD_KIND } from "../../domain/failure-kinds.ts";
import type { InfraFaultCode } from "../../domain/faults.ts";
import type { PlannedStep } from "../../domain/step.ts";
import type { EndMessage } from "../../shared/build-messages.ts";
import type { FailureCard } from "../../shared/message-parts.ts";
import type { JobRow } from "./schema.ts";
import type { Tx } from "./store.ts";

export async function insertSteps(
  tx: Tx,
  job: Pick<JobRow, "id" | "attempt">,
  steps: readonly PlannedStep[],
): Promise<void> {
  if (steps.length === 0) return;
  const rows = steps.map(({ name, title, kind, skip }, position) => ({
    jobId: job.id,
    attempt: job.attempt,
    name,
    title,
    kind,
    position,
    state: skip === null ? ("queued" as const) : ("skipped" as const),
    note: skip,
    detailsJson: null,
    startedAt: null,
    endedAt: skip === null ? null : tx.now(),
    failureJson: null,
  }));
  // `checkout` may have been reported before there was a plan.
  await tx.db
    .insertInto("steps")
    .values(rows)
    .onConflict((conflict) => conflict.columns(["jobId", "attempt", "name"]).doNothing())
    .execute();
}

export async function insertArtifacts(tx: Tx, job: JobRow, end: EndMessage): Promise<void> {
  if (end.packages.length === 0) return;
  const rows = end.packages.map((artifact) => ({
    jobId: job.id,
    attempt: job.attempt,
    ...artifact,
  }));
  await tx.db
    .insertInto("artifacts")
    .values(rows)
    .onConflict((conflict) => conflict.columns(["jobId", "attempt", "fileName"]).doNothing())
    .execute();
}

/** The card of a build that we, not its author, could not finish. */
export function ourCard(code: InfraFaultCode, title: string, step: string | null): FailureCard {
  return {
    kind: CARD_KIND[code],
    code,
    step,
    title,
    excerpt: "",
    file: null,
    line: null,
    logLine: null,
    hint: "This is not your fault. Rerun the build when the cause is gone.",
    confidence: "high",
    evidence: "fault",
    problems: null,
  };
}
