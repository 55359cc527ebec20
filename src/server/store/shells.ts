import type { StepDetails } from "../../shared/build-messages.ts";
import { insertRow } from "./insert-row.ts";
import type { ShellView } from "../views.ts";
import type { Reader, Tx } from "./store.ts";

/** A step whose container may be entered. */
export interface KeptStep {
  readonly buildId: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly step: string;
  readonly worker: string;
}

export type FoundStep =
  | { readonly kind: "kept"; readonly step: KeptStep }
  | {
      readonly kind: "refused";
      readonly status: 404 | 409 | 410;
      readonly error: string;
      readonly hint: string;
    };

/** The step of a build that was kept, by its id or its title; of several jobs the one that has it. */
export async function findKeptStep(
  { db, now }: Pick<Reader, "db"> & { readonly now: () => number },
  wish: { readonly buildId: string; readonly job: string | null; readonly step: string },
): Promise<FoundStep> {
  const { buildId, job, step: name } = wish;
  const rows = await db
    .selectFrom("jobs")
    .innerJoin("steps", (join) =>
      join.onRef("steps.jobId", "=", "jobs.id").onRef("steps.attempt", "=", "jobs.attempt"),
    )
    .select(["jobs.id as jobId", "jobs.attempt", "jobs.worker", "jobs.name as jobName"])
    .select(["steps.name", "steps.title", "steps.state", "steps.detailsJson"])
    .where("jobs.buildId", "=", buildId)
    .orderBy("jobs.position")
    .orderBy("steps.position")
    .execute();
  const named = rows.filter(
    (row) =>
      (row.name === name || row.title === name) &&
      (job === null || row.jobId === job || row.jobName === job),
  );
  if (named.length === 0) {
    const names = [...new Set(rows.map((row) => row.name))].join(", ");
    return refused(
      404,
      `This build has no step ${name}.`,
      names === "" ? "It has not begun." : `steps: ${names}`,
    );
  }
  const kept = named.map((row) => ({ row, until: shellUntil(row.detailsJson) }));
  const newest = kept.find(({ until }) => until !== null && until > now());
  if (newest !== undefined) {
    const { jobId, attempt, worker, name: step } = newest.row;
    if (worker !== null) return { kind: "kept", step: { buildId, jobId, attempt, step, worker } };
  }
  if (kept.some(({ until }) => until !== null)) {
    const error = `${name} was kept for half an hour, and that is over.`;
    return refused(410, error, "Rerun the build, and enter the step that fails then.");
  }
  const states = named.map(({ state }) => state);
  if (states.includes("failed")) {
    const error = `${name} failed, and its container was not kept.`;
    return refused(409, error, "Only the containers of tests are kept, at most four on a worker.");
  }
  const [state = "queued"] = states;
  return refused(
    409,
    `${name} is ${state}: only the container of a failed step is kept.`,
    "tatara log shows what it printed.",
  );
}

function refused(status: 404 | 409 | 410, error: string, hint: string): FoundStep {
  return { kind: "refused", status, error, hint };
}

function shellUntil(detailsJson: string | null): number | null {
  return detailsJson === null ? null : (JSON.parse(detailsJson) as StepDetails).shellUntil;
}

export async function beginShell(
  tx: Tx,
  made: { readonly id: string; readonly step: KeptStep; readonly by: string },
): Promise<void> {
  const { worker: _worker, ...step } = made.step;
  const open = { startedAt: tx.now(), endedAt: null, exitCode: null, endReason: null };
  await insertRow(tx, "shells", { ...step, ...open, id: made.id, by: made.by });
}

export async function endShell(
  tx: Tx,
  id: string,
  end: { readonly exitCode: number | null; readonly reason: string | null },
): Promise<void> {
  await tx.db
    .updateTable("shells")
    .set({ endedAt: tx.now(), exitCode: end.exitCode, endReason: end.reason })
    .where("id", "=", id)
    .where("endedAt", "is", null)
    .execute();
}

/** Those that a server left open when it was killed. */
export async function endLostShells(tx: Tx): Promise<void> {
  await tx.db
    .updateTable("shells")
    .set({ endedAt: tx.now(), endReason: "the server was restarted" })
    .where("endedAt", "is", null)
    .execute();
}

export async function shellsOf(
  { db }: Pick<Reader, "db">,
  buildId: string,
): Promise<readonly ShellView[]> {
  return await db
    .selectFrom("shells")
    .select(["jobId", "step", "by", "startedAt", "endedAt", "exitCode", "endReason"])
    .where("buildId", "=", buildId)
    .orderBy("startedAt")
    .orderBy("id")
    .execute();
}
