import { pullRequestChannelName } from "../../domain/channel.ts";
import type { PullRequestFacts } from "../../domain/pipeline.ts";
import { pullRequestRef, type PullRequest } from "../../domain/push.ts";
import type { ClosedPullRequest, PullRequestIntake } from "../intake-types.ts";
import { cancelBuild, type Changed } from "./builds.ts";
import { findChannel, updateSettings } from "./channels.ts";
import {
  MESSAGE_CHARACTERS_MAX,
  overQuota,
  recordIgnored,
  recordOnce,
  rememberRepo,
  type Recorded,
} from "./deliveries.ts";
import { insertBuild } from "./new-builds.ts";
import type { Tx } from "./store.ts";
import { waitsForApproval } from "./stored-plan.ts";

const DAY_MS = 24 * 3_600_000;
/** What a closed pull request leaves can be looked at for so long. */
const CLOSED_DAYS = 7;
const NO_SHA = "0".repeat(40);

export const APPROVAL_WAIT = "waits for approval: its author is new here";

/** Records the head of a pull request as a build. A closed one is `recordClosed`'s. */
export async function recordPullRequest(
  tx: Tx,
  { pullRequest: pull, ...named }: PullRequestIntake,
  limits: { readonly waitingBuildsMax: number },
): Promise<Recorded> {
  const { repo, forge, number, isFork } = pull;
  const ref = pullRequestRef(number);
  const before = pull.before ?? NO_SHA;
  const delivery = { ...named, repo, ref, before, after: pull.headSha };
  return await recordOnce(tx, delivery, async () => {
    const { defaultBranch } = pull;
    await rememberRepo(tx, { repo, forge, defaultBranch, ref });
    return await insertBuild(tx, {
      repo,
      forge,
      event: "pull-request",
      sha: pull.headSha,
      ref,
      before,
      after: pull.headSha,
      message: pull.title.slice(0, MESSAGE_CHARACTERS_MAX),
      authorName: "",
      pusher: pull.sender,
      trust: isFork ? "fork-pr" : "internal-pr",
      defaultBranch,
      isReady: true,
      rerunOf: null,
      end: await overQuota(tx, repo, limits.waitingBuildsMax),
      pullRequest: factsOf(pull),
      // What a stranger's file says does not count: it could ask for anything.
      fileSha: isFork ? pull.baseSha : null,
      waitReason: isFork && !pull.isAuthorKnown ? APPROVAL_WAIT : null,
      mayPublish: !isFork,
    });
  });
}

function factsOf({ number, baseBranch, headBranch, isFork }: PullRequest): PullRequestFacts {
  return { number, baseBranch, headBranch, isFork };
}

export interface Closed {
  readonly reason: string;
  readonly changes: readonly Changed[];
  /** Jobs whose workers should hear of it. */
  readonly running: readonly string[];
}

/** Nobody waits for a closed pull request: its builds are cancelled, its channel ends in a week. */
export async function recordClosed(
  tx: Tx,
  { repo, number, ...named }: ClosedPullRequest,
): Promise<Closed> {
  const reason = `pull request ${number} was closed`;
  const recorded = await recordIgnored(tx, { ...named, repo, reason });
  // Told again after it was opened again, it would end what is under way now.
  if (recorded.kind === "duplicate") return { reason: recorded.reason, changes: [], running: [] };
  const open = await tx.db
    .selectFrom("builds")
    .select("id")
    .where("repo", "=", repo)
    .where("ref", "=", pullRequestRef(number))
    .where("state", "in", ["queued", "running"])
    .execute();
  const cancelled: Awaited<ReturnType<typeof cancelBuild>>[] = [];
  for (const { id } of open) cancelled.push(await cancelBuild(tx, id, "its pull request's end"));
  await endChannel(tx, pullRequestChannelName(repo, number));
  return { reason, changes: cancelled, running: cancelled.flatMap(({ running }) => running) };
}

async function endChannel(tx: Tx, name: string): Promise<void> {
  const channel = await findChannel(tx, name);
  // Without an end it was made, or kept, by a person.
  if (channel?.parent == null || channel.expiresAt === null) return;
  await updateSettings(tx, name, { expiresAt: tx.now() + CLOSED_DAYS * DAY_MS });
}

const APPROVAL_DAYS = 14;
const EXPIRED_AT_ONCE = 100;

/** What nobody has approved for so long ends, so that nothing waits for ever. */
export async function expireApprovals(tx: Tx): Promise<readonly Changed[]> {
  const waiting = await tx.db
    .selectFrom("builds")
    .select("id")
    .where("state", "=", "queued")
    .where("createdAt", "<", tx.now() - APPROVAL_DAYS * DAY_MS)
    .where("waitReason", "is not", null)
    .where("pipelineJson", "is", null)
    .limit(EXPIRED_AT_ONCE)
    .execute();
  const by = `the server: nobody approved it within ${APPROVAL_DAYS} days`;
  const changes: Changed[] = [];
  for (const { id } of waiting) changes.push(await cancelBuild(tx, id, by));
  return changes;
}

export type ApproveResult =
  | ({ readonly kind: "approved" } & Changed)
  | { readonly kind: "not-found" | "not-waiting" };

/**
 * A person has looked at this one commit of a stranger's pull request. `withItsFile`: at its pipeline
 * file too, which then counts. The next push is another build, and waits again.
 */
export async function approveBuild(
  tx: Tx,
  buildId: string,
  { withItsFile, by }: { readonly withItsFile: boolean; readonly by: string },
): Promise<ApproveResult> {
  const build = await tx.db
    .selectFrom("builds")
    .selectAll()
    .where("id", "=", buildId)
    .executeTakeFirst();
  if (build === undefined) return { kind: "not-found" };
  if (!waitsForApproval(build) || build.state !== "queued") return { kind: "not-waiting" };
  const what = withItsFile ? "with its own pipeline file" : "with the base branch's pipeline file";
  await tx.db
    .updateTable("builds")
    .set({
      waitReason: null,
      note: `approved by ${by}, ${what}`,
      ...(withItsFile ? { fileSha: null } : {}),
    })
    .where("id", "=", buildId)
    .execute();
  // It has waited for a person, not for a worker.
  await tx.db
    .updateTable("jobs")
    .set({ queuedAt: tx.now() })
    .where("buildId", "=", buildId)
    .where("state", "=", "queued")
    .execute();
  const jobs = await tx.db
    .selectFrom("jobs")
    .select("id")
    .where("buildId", "=", buildId)
    .where("state", "=", "queued")
    .execute();
  return { kind: "approved", buildId, queuedJobs: jobs.map(({ id }) => id) };
}
