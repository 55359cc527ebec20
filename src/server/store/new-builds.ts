import { priorityOf } from "../../domain/job-priority.ts";
import type { BuildEvent, PullRequestFacts } from "../../domain/pipeline.ts";
import { branchOf, type ForgeName, type TrustClass } from "../../domain/push.ts";
import { hotQuery } from "./hot-query.ts";
import { insertRow } from "./insert-row.ts";
import { wantStatus } from "./outbox.ts";
import type { BuildRow } from "./schema.ts";
import type { Tx } from "./store.ts";

/** What a new build is made from; its number is the repo's next one. */
export interface NewBuild {
  readonly repo: string;
  readonly forge: ForgeName;
  readonly event: BuildEvent;
  readonly sha: string | null;
  readonly ref: string;
  readonly before: string;
  readonly after: string;
  readonly message: string;
  readonly authorName: string;
  readonly pusher: string;
  readonly trust: TrustClass;
  readonly defaultBranch: string | null;
  readonly isReady: boolean;
  readonly rerunOf: string | null;
  /** Ends at birth: nothing to build, or over quota. */
  readonly end: { readonly state: "skipped" | "cancelled"; readonly reason: string } | null;
  readonly pullRequest?: PullRequestFacts | null;
  readonly params?: Readonly<Record<string, string>> | null;
  /** Commit that the pipeline file is read from; null: the build's own. */
  readonly fileSha?: string | null;
  /** Why it may not start yet. */
  readonly waitReason?: string | null;
  readonly isFresh?: boolean;
  readonly mayPublish?: boolean;
  readonly isForced?: boolean;
  /** The only steps that are asked for; null: all. */
  readonly steps?: readonly string[] | null;
  /** Built again to be compared with this build's packages. */
  readonly compareWith?: string | null;
}

export interface InsertedBuild {
  readonly build: BuildRow;
  readonly statusId: string | undefined;
  /** Jobs that may be claimed now. */
  readonly queuedJobs: readonly string[];
}

/** A build is recorded together with its first job and what its commit shows. */
export async function insertBuild(tx: Tx, made: NewBuild): Promise<InsertedBuild> {
  const build = await rowOf(tx, made);
  await insertRow(tx, "builds", build);
  const jobId = made.end === null ? await insertFirstJob(tx, build.id, made) : undefined;
  // What is not ready has a commit that nobody has looked at yet.
  const text = build.reason ?? build.waitReason ?? "queued";
  const isSaid = made.isReady && !isOnlyAsked(made);
  const statusId = isSaid ? await wantStatus(tx, build, { state: build.state, text }) : undefined;
  const mayStart = made.isReady && build.waitReason === null;
  return { build, statusId, queuedJobs: jobId !== undefined && mayStart ? [jobId] : [] };
}

/**
 * A push to a branch that only its own file can name. Until that is read nothing is said: the same
 * commit may be a pull request's, whose result a `pending` would replace and `skipped` never give back.
 */
function isOnlyAsked({ event, forge, ref, defaultBranch, end }: NewBuild): boolean {
  const branch = branchOf(ref);
  if (event !== "push" || forge === "own" || end !== null) return false;
  return branch !== undefined && branch !== defaultBranch;
}

async function rowOf(tx: Tx, made: NewBuild): Promise<BuildRow> {
  const now = tx.now();
  const { end, isReady, pullRequest = null, params = null, steps = null, ...facts } = made;
  const { isFresh = false, mayPublish = true, isForced = false } = facts;
  return {
    ...facts,
    id: tx.newId("b"),
    number: await takeNumber(tx, made.repo),
    state: end?.state ?? "queued",
    reason: end?.reason ?? null,
    isReady: isReady ? 1 : 0,
    createdAt: now,
    startedAt: null,
    endedAt: end === null ? null : now,
    cancelRequestedAt: null,
    pipelineJson: null,
    pullRequestJson: pullRequest === null ? null : JSON.stringify(pullRequest),
    paramsJson: params === null ? null : JSON.stringify(params),
    stepsJson: steps === null ? null : JSON.stringify(steps),
    fileJson: null,
    fileSha: made.fileSha ?? null,
    supersededBy: null,
    compareWith: made.compareWith ?? null,
    waitReason: made.waitReason ?? null,
    isFresh: isFresh ? 1 : 0,
    mayPublish: mayPublish ? 1 : 0,
    isForced: isForced ? 1 : 0,
    note: null,
    failureJson: null,
    errata: null,
    logsRemovedAt: null,
    filesGoneAt: null,
  };
}

export interface AgainOptions {
  /** With nothing that earlier builds left. */
  readonly isFresh?: boolean;
  /** To see whether the packages come out the same: fresh, and never published. */
  readonly isCompared?: boolean;
}

/**
 * The same commit once more, with all facts of its event: trust, pull request, parameters, where the
 * file is read from, whether it may publish. Nothing of them is ever raised.
 */
export function buildAgain(
  old: BuildRow,
  by: string,
  { isFresh = false, isCompared = false }: AgainOptions = {},
): NewBuild {
  const { repo, forge, sha, ref, before, after, message, authorName, defaultBranch } = old;
  const same = { repo, forge, sha, ref, before, after, message, authorName, defaultBranch };
  return {
    ...same,
    event: "rerun",
    pusher: by,
    trust: old.trust as TrustClass,
    isReady: true,
    rerunOf: old.id,
    end: null,
    pullRequest: readPullRequest(old),
    params: readParams(old),
    fileSha: old.fileSha,
    // It ended before anybody approved it: asking for it again is no look at a stranger's code.
    waitReason: old.waitReason,
    isFresh: isFresh || isCompared || old.isFresh === 1,
    mayPublish: old.mayPublish === 1 && !isCompared,
    compareWith: isCompared ? old.id : old.compareWith,
  };
}

export function readPullRequest(build: Pick<BuildRow, "pullRequestJson">): PullRequestFacts | null {
  const { pullRequestJson } = build;
  return pullRequestJson === null ? null : (JSON.parse(pullRequestJson) as PullRequestFacts);
}

export function readSteps(build: Pick<BuildRow, "stepsJson">): readonly string[] | null {
  return build.stepsJson === null ? null : (JSON.parse(build.stepsJson) as string[]);
}

export function readParams(build: Pick<BuildRow, "paramsJson">): Readonly<Record<string, string>> {
  return JSON.parse(build.paramsJson ?? "{}") as Record<string, string>;
}

/** What the first of a row of reruns was made for: rules that name an event mean that one. */
export async function firstEvent(
  tx: Pick<Tx, "db">,
  build: Pick<BuildRow, "event" | "rerunOf">,
): Promise<BuildEvent> {
  let { event, rerunOf } = build;
  // Each is older than the one before, so this ends; a rerun of a rerun of … is a person's doing.
  while (event === "rerun" && rerunOf !== null) {
    const original = await tx.db
      .selectFrom("builds")
      .select(["event", "rerunOf"])
      .where("id", "=", rerunOf)
      .executeTakeFirst();
    if (original === undefined) return event;
    ({ event, rerunOf } = original);
  }
  return event;
}

const countUp = hotQuery((db, repo: { readonly name: string }) =>
  db
    .updateTable("repos")
    .set((expression) => ({ nextNumber: expression("nextNumber", "+", 1) }))
    .where("name", "=", repo.name)
    .returning("nextNumber"),
);

async function takeNumber(tx: Tx, repo: string): Promise<number> {
  const [counted] = await countUp(tx, { name: repo });
  if (counted === undefined) throw new Error(`${repo} has a build before it is known.`);
  return counted.nextNumber - 1;
}

async function insertFirstJob(tx: Tx, buildId: string, made: NewBuild): Promise<string> {
  const id = tx.newId("j");
  await insertRow(tx, "jobs", {
    id,
    buildId,
    position: 0,
    name: "",
    project: "",
    kind: "build",
    target: null,
    arch: null,
    specJson: null,
    needsJson: "[]",
    isBlocked: 0,
    priority: priorityOf(made),
    state: "queued",
    reason: null,
    attempt: 0,
    countedAttempts: 0,
    notBeforeAt: 0,
    queuedAt: tx.now(),
    startedAt: null,
    endedAt: null,
    worker: null,
    workerArch: null,
    leaseTokenHash: null,
    leaseExpiresAt: null,
    goodbyeAt: null,
    returnJson: null,
  });
  return id;
}
