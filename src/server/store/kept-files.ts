import type { KeptMessage } from "../../shared/build-messages.ts";
import type { KeptView } from "../views.ts";
import type { Changed } from "./builds.ts";
import { insertRows } from "./insert-rows.ts";
import { leasedJob } from "./leases.ts";
import type { JobRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

/** The longest that a file may be asked to be kept. */
const EXPIRES_MS_MAX = 365 * 24 * 60 * 60_000;

/** Records all that a step keeps; said twice it is the same. Undefined: the lease is lost. */
export async function recordKept(
  tx: Tx,
  { jobId, token }: { readonly jobId: string; readonly token: string },
  step: string,
  { files, expiresMs }: KeptMessage,
): Promise<Changed | undefined> {
  const job = await leasedJob(tx, jobId, token);
  if (job?.state !== "running") return undefined;
  const { attempt, buildId } = job;
  const expiresAt = tx.now() + Math.min(expiresMs, EXPIRES_MS_MAX);
  const rows = files.map(({ path, sha256, sizeBytes, isExecutable }) => ({
    buildId,
    jobId,
    attempt,
    step,
    path,
    sha256,
    sizeBytes,
    isExecutable: isExecutable ? 1 : 0,
    expiresAt,
  }));
  await insertRows(tx, "keptFiles", rows, "on conflict do nothing");
  return { buildId };
}

/** What a build keeps now, of each job's last attempt, in the order of its jobs and steps. */
export async function keptFilesOf(
  { db, now }: Reader,
  buildId: string,
): Promise<readonly KeptView[]> {
  const rows = await db
    .selectFrom("keptFiles")
    .innerJoin("jobs", (join) =>
      join.onRef("jobs.id", "=", "keptFiles.jobId").onRef("jobs.attempt", "=", "keptFiles.attempt"),
    )
    .leftJoin("steps", (join) =>
      join
        .onRef("steps.jobId", "=", "keptFiles.jobId")
        .onRef("steps.attempt", "=", "keptFiles.attempt")
        .onRef("steps.name", "=", "keptFiles.step"),
    )
    .select([
      "keptFiles.jobId as jobId",
      "jobs.name as jobName",
      "keptFiles.step as step",
      "keptFiles.path as path",
      "keptFiles.sha256 as sha256",
      "keptFiles.sizeBytes as sizeBytes",
      "keptFiles.isExecutable as isExecutable",
      "keptFiles.expiresAt as expiresAt",
    ])
    .where("keptFiles.buildId", "=", buildId)
    .where("keptFiles.expiresAt", ">", now())
    .orderBy("jobs.position")
    .orderBy("steps.position")
    .orderBy("keptFiles.path")
    .execute();
  return rows.map((row) => ({ ...row, isExecutable: row.isExecutable === 1 }));
}

/** Those of the build's jobs of one project: what a package of it may need. */
export async function keptOfProject(
  reader: Reader,
  { buildId, project }: Pick<JobRow, "buildId" | "project">,
): Promise<readonly KeptView[]> {
  const jobs = await reader.db
    .selectFrom("jobs")
    .select("id")
    .where("buildId", "=", buildId)
    .where("project", "=", project)
    .execute();
  const own = new Set(jobs.map(({ id }) => id));
  return (await keptFilesOf(reader, buildId)).filter(({ jobId }) => own.has(jobId));
}

/** Forgets at most `max` files whose time is over; `contents`: those that nothing names any more. */
export async function forgetExpired(
  tx: Tx,
  max: number,
): Promise<{ readonly contents: readonly string[]; readonly isAll: boolean }> {
  const expired = await tx.db
    .selectFrom("keptFiles")
    .select(["jobId", "attempt", "step", "path", "sha256"])
    .where("expiresAt", "<=", tx.now())
    .limit(max)
    .execute();
  for (const { jobId, attempt, step, path } of expired) {
    await tx.db
      .deleteFrom("keptFiles")
      .where("jobId", "=", jobId)
      .where("attempt", "=", attempt)
      .where("step", "=", step)
      .where("path", "=", path)
      .execute();
  }
  const contents = [...new Set(expired.map(({ sha256 }) => sha256))];
  const unnamed: string[] = [];
  for (const sha256 of contents) {
    if (!(await isNamed(tx, sha256))) unnamed.push(sha256);
  }
  return { contents: unnamed, isAll: expired.length < max };
}

/** Does a build still keep this content, as a file or a package? Those whose files are removed do not. */
export async function isNamed({ db }: Pick<Reader, "db">, sha256: string): Promise<boolean> {
  const kept = db.selectFrom("keptFiles").select("sha256").where("sha256", "=", sha256).limit(1);
  if ((await kept.executeTakeFirst()) !== undefined) return true;
  const made = db
    .selectFrom("artifacts")
    .innerJoin("jobs", "jobs.id", "artifacts.jobId")
    .innerJoin("builds", "builds.id", "jobs.buildId")
    .select("artifacts.sha256")
    .where("artifacts.sha256", "=", sha256)
    .where("builds.logsRemovedAt", "is", null)
    .limit(1);
  return (await made.executeTakeFirst()) !== undefined;
}
