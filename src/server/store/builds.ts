import { canBuildMove, isFinal, stateOfJobs, type FinalState } from "../../domain/states.ts";
import type { Pipeline } from "../../domain/pipeline.ts";
import type { PlannedStep } from "../../domain/step.ts";
import type { FailureCard } from "../../shared/message-parts.ts";
import type { PublishChange } from "../views.ts";
import { wantStatus } from "./outbox.ts";
import { buildAgain, insertBuild } from "./new-builds.ts";
import { channelsOfBuild } from "./child-channels.ts";
import { insertPublish } from "./new-publishes.ts";
import type { BuildRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

/** What changed, for those who are told after the commit. */
export interface Changed {
  readonly buildId?: string | undefined;
  readonly statusId?: string | undefined;
  readonly queuedJobs?: readonly string[];
  /** It may be claimed now. */
  readonly publishId?: string | undefined;
  /** A publish, a build's or not, that is in another state now. */
  readonly publish?: PublishChange | undefined;
}

/** The plan as it is stored with the build. */
export interface StoredPlan {
  readonly v: 1;
  readonly pipeline: Pipeline;
  readonly steps: readonly PlannedStep[];
}

export function readPlan(build: Pick<BuildRow, "pipelineJson">): StoredPlan | undefined {
  return build.pipelineJson === null ? undefined : (JSON.parse(build.pipelineJson) as StoredPlan);
}

export async function findBuild(tx: Pick<Reader, "db">, id: string): Promise<BuildRow | undefined> {
  return await tx.db.selectFrom("builds").selectAll().where("id", "=", id).executeTakeFirst();
}

/** A queued build starts; queued or running already: nothing changes. */
export async function startBuild(tx: Tx, build: BuildRow): Promise<string | undefined> {
  if (!canBuildMove(build.state, "running")) return undefined;
  await tx.db
    .updateTable("builds")
    .set({ state: "running", startedAt: build.startedAt ?? tx.now() })
    .where("id", "=", build.id)
    .execute();
  return await wantStatus(tx, build, { state: "running", text: "running" });
}

/** Ends a build: its one final state and what its commit shows are one transaction. */
export async function endBuild(
  tx: Tx,
  build: BuildRow,
  end: {
    readonly state: FinalState;
    readonly reason: string | null;
    readonly text: string;
    readonly failure?: FailureCard | null;
  },
): Promise<string | undefined> {
  if (isFinal(build.state)) return undefined;
  // A mistake found before the plan ends a build that never showed as running.
  const hasRun = build.state === "running" || end.state === "passed" || end.state === "failed";
  await tx.db
    .updateTable("builds")
    .set({
      state: end.state,
      reason: end.reason,
      startedAt: build.startedAt ?? (hasRun ? tx.now() : null),
      endedAt: tx.now(),
      failureJson: end.failure ? JSON.stringify(end.failure) : null,
    })
    .where("id", "=", build.id)
    .execute();
  return await wantStatus(tx, build, end);
}

/**
 * Called when a job has ended: while others are under way nothing happens; else the build ends, or,
 * when all passed and a rule sends its packages to a channel, its publish request is made.
 */
export async function settleBuild(
  tx: Tx,
  buildId: string,
  failure: FailureCard | null,
): Promise<Changed> {
  const build = await findBuild(tx, buildId);
  if (build === undefined || isFinal(build.state)) return { buildId };
  const jobs = await tx.db
    .selectFrom("jobs")
    .select(["id", "state", "reason", "attempt"])
    .where("buildId", "=", buildId)
    .orderBy("position")
    .execute();
  const state = stateOfJobs(jobs.map((job) => job.state));
  if (state === undefined) return { buildId };

  const reason = jobs.find((job) => job.state === state)?.reason ?? null;
  if (state !== "passed") {
    const text = failure?.title ?? reason ?? state;
    return { buildId, statusId: await endBuild(tx, build, { state, reason, text, failure }) };
  }
  const publishing = await requestPublish(tx, build);
  if (publishing !== undefined) return publishing;
  const text = "passed";
  return { buildId, statusId: await endBuild(tx, build, { state, reason: null, text }) };
}

/** Makes the publish request if the build has packages that a rule sends somewhere. */
async function requestPublish(tx: Tx, build: BuildRow): Promise<Changed | undefined> {
  const publish = readPlan(build)?.pipeline.publish ?? null;
  const defaultBranch = build.defaultBranch ?? undefined;
  const packages = publish === null ? [] : await packagesOf(tx, build.id);
  if (packages.length === 0) return undefined;
  const { id: buildId, repo, ref } = build;
  const channels = await channelsOfBuild(tx, { publish, repo, ref, defaultBranch });
  if (channels.length === 0) return undefined;
  const wish = { kind: "build", buildId, channels, requestJson: null, by: "push" } as const;
  const id = await insertPublish(tx, { ...wish, note: "" });
  return { buildId, publishId: id, publish: { id, channels } };
}

/** The RPMs of the attempts that count. */
export async function packagesOf(tx: Pick<Reader, "db">, buildId: string) {
  return await tx.db
    .selectFrom("artifacts")
    .innerJoin("jobs", (join) =>
      join.onRef("jobs.id", "=", "artifacts.jobId").onRef("jobs.attempt", "=", "artifacts.attempt"),
    )
    .select(["fileName", "sha256", "sizeBytes", "artifacts.target as target", "jobs.id as jobId"])
    .where("jobs.buildId", "=", buildId)
    .orderBy("fileName")
    .execute();
}

export type CancelResult = "cancelled" | "cancelling" | "already-final" | "not-found";

/**
 * Cancels a build. What has not started is cancelled at once; what runs is asked to stop, which its
 * worker hears with the next heartbeat. One transaction decides every race.
 */
export async function cancelBuild(
  tx: Tx,
  buildId: string,
  by: string,
): Promise<{ readonly result: CancelResult; readonly running: readonly string[] } & Changed> {
  const build = await findBuild(tx, buildId);
  if (build === undefined) return { result: "not-found", running: [], buildId };
  if (isFinal(build.state)) return { result: "already-final", running: [], buildId };
  const reason = `cancelled by ${by}`;
  const requestedAt = build.cancelRequestedAt ?? tx.now();
  await tx.db
    .updateTable("builds")
    .set({ cancelRequestedAt: requestedAt })
    .where("id", "=", buildId)
    .execute();
  await tx.db
    .updateTable("jobs")
    .set({ state: "cancelled", reason, endedAt: tx.now() })
    .where("buildId", "=", buildId)
    .where("state", "=", "queued")
    .execute();
  await tx.db
    .updateTable("publishes")
    .set({ state: "cancelled", endedAt: tx.now() })
    .where("buildId", "=", buildId)
    .where("state", "=", "queued")
    .execute();

  const runningJobs = await tx.db
    .selectFrom("jobs")
    .select("id")
    .where("buildId", "=", buildId)
    .where("state", "=", "running")
    .execute();
  const isPublishing = await tx.db
    .selectFrom("publishes")
    .select("id")
    .where("buildId", "=", buildId)
    .where("state", "=", "running")
    .executeTakeFirst();
  const running = runningJobs.map(({ id }) => id);
  if (running.length > 0 || isPublishing !== undefined) {
    return { result: "cancelling", running, buildId };
  }
  const end = { state: "cancelled", reason, text: reason } as const;
  return { result: "cancelled", running, buildId, statusId: await endBuild(tx, build, end) };
}

export type RerunResult =
  | ({ readonly kind: "queued"; readonly id: string; readonly number: number } & Changed)
  | { readonly kind: "not-found" | "not-possible" };

/** A new build of the same commit, with a number of its own; the old one keeps its final state. */
export async function rerunBuild(tx: Tx, buildId: string, by: string): Promise<RerunResult> {
  const old = await findBuild(tx, buildId);
  if (old === undefined) return { kind: "not-found" };
  if (old.sha === null || !isFinal(old.state)) return { kind: "not-possible" };
  const made = await insertBuild(tx, buildAgain(old, by));
  return {
    kind: "queued",
    id: made.build.id,
    number: made.build.number,
    buildId: made.build.id,
    statusId: made.statusId,
    queuedJobs: made.queuedJobs,
  };
}

/** Builds of the own remote, recorded before this instant, whose ref was about to move then. */
export async function unreadyBuilds(
  tx: Pick<Reader, "db">,
  beforeAt: number,
): Promise<readonly BuildRow[]> {
  return await tx.db
    .selectFrom("builds")
    .selectAll()
    .where("state", "=", "queued")
    .where("createdAt", "<=", beforeAt)
    .where("isReady", "=", 0)
    .execute();
}

/** The ref has moved: the build may be claimed, unless its commit asks for none. */
export async function makeReady(
  tx: Tx,
  buildId: string,
  facts: {
    readonly sha: string;
    readonly message: string;
    readonly authorName: string;
    /** Why there is nothing to build; null: build it. */
    readonly skip: string | null;
  },
): Promise<Changed> {
  const build = await findBuild(tx, buildId);
  if (build === undefined || build.isReady === 1 || isFinal(build.state)) return { buildId };
  const { sha, message, authorName } = facts;
  await tx.db
    .updateTable("builds")
    .set({ isReady: 1, sha, message, authorName })
    .where("id", "=", buildId)
    .execute();
  const ready = { ...build, sha, message, authorName };
  if (facts.skip !== null) return await skipBuild(tx, ready, facts.skip);
  const statusId = await wantStatus(tx, ready, { state: "queued", text: "queued" });
  const jobs = await tx.db.selectFrom("jobs").select("id").where("buildId", "=", buildId).execute();
  return { buildId, statusId, queuedJobs: jobs.map(({ id }) => id) };
}

export async function skipBuild(tx: Tx, build: BuildRow, reason: string): Promise<Changed> {
  await tx.db
    .updateTable("jobs")
    .set({ state: "skipped", reason, endedAt: tx.now() })
    .where("buildId", "=", build.id)
    .where("state", "=", "queued")
    .execute();
  const statusId = await endBuild(tx, build, { state: "skipped", reason, text: reason });
  return { buildId: build.id, statusId };
}
