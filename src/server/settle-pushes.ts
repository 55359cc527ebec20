import { branchOf, decidePush, ZERO_SHA, type Push } from "../domain/push.ts";
import type { Logger } from "../shared/logger.ts";
import type { Announcer } from "./announcer.ts";
import type { GitRepos } from "./git-repos.ts";
import type { IntakeResult } from "./intake-types.ts";
import { findBuild, makeReady, skipBuild, unreadyBuilds } from "./store/builds.ts";
import { NEVER_MOVED } from "./store/own-moves.ts";
import type { BuildRow } from "./store/schema.ts";
import type { Store } from "./store/store.ts";
import type { Superseder } from "./superseder.ts";

/** No push takes longer. */
export const PUSH_MS = 15 * 60_000;

export interface SettleDeps {
  readonly repos: GitRepos;
  readonly store: Store;
  readonly announcer: Announcer;
  readonly superseder: Superseder;
  readonly logger: Logger;
}

/**
 * Builds whose push was cut off between record and ref become ready or end. At start none is under
 * way; later only those are taken up that are older than any push.
 */
export async function settleUnreadyBuilds(
  deps: SettleDeps,
  { isStarting }: { readonly isStarting: boolean },
): Promise<void> {
  const beforeAt = deps.store.now() - (isStarting ? 0 : 2 * PUSH_MS);
  const builds = await unreadyBuilds(deps.store, beforeAt);
  // The newest first, since each goes back to where the one before it led.
  if (isStarting) for (const build of builds.toReversed()) await tryMovingBack(deps, build);
  for (const build of builds) await trySettling(deps, build);
}

/**
 * After a loss of power a ref may be on the disk and its objects not; whoever pushed was not told that it
 * was taken. Left there, git would answer the next try with "everything up-to-date".
 */
async function tryMovingBack({ repos, logger }: SettleDeps, build: BuildRow): Promise<void> {
  const { id: buildId, repo, ref, before, after } = build;
  const move = { before, after };
  try {
    if (ZERO_SHA.test(after) || !(await repos.hasMoved(repo, ref, after))) return;
    if (await repos.isWhole(repo, move)) return;
    logger.warn({ buildId, repo, ref, ...move }, "Objects of a push are lost; its ref moves back");
    await repos.moveBack(repo, ref, move);
  } catch (err) {
    logger.warn({ err, buildId, repo, ref }, "Could not find out whether a push is whole");
  }
}

/** What cannot be found out now stays as it is, and is looked at again. */
async function trySettling(deps: SettleDeps, build: BuildRow): Promise<void> {
  await settlePush(deps, build).catch((err: unknown) => {
    const { id: buildId, repo, ref } = build;
    deps.logger.warn({ err, buildId, repo, ref }, "Could not find out whether a ref has moved");
  });
}

export async function settleAccepted(
  deps: SettleDeps,
  accepted: readonly IntakeResult[],
): Promise<void> {
  for (const { buildId } of accepted) {
    const build = buildId === null ? undefined : await findBuild(deps.store, buildId);
    if (build?.isReady === 0 && build.state === "queued") await trySettling(deps, build);
  }
}

/** Lets the build be claimed if its ref has moved; else says that it never did. */
async function settlePush(deps: SettleDeps, build: BuildRow): Promise<void> {
  const { repos, store, announcer } = deps;
  const { repo, ref, after } = build;
  const commit = (await repos.hasMoved(repo, ref, after))
    ? await repos.commitOf(repo, after)
    : undefined;
  if (commit === undefined) {
    // The commit may never have come, and nobody knows what is in it: no status for it.
    const unseen = { ...build, sha: null };
    announcer.announce(await store.write((tx) => skipBuild(tx, unseen, NEVER_MOVED)));
    return;
  }
  const branch = branchOf(ref);
  if (branch !== undefined && branch === build.defaultBranch) {
    // What a clone checks out by default: no reason to hold up a build.
    await repos.setHead(repo, branch).catch((err: unknown) => {
      deps.logger.warn({ err, repo, branch }, "The default branch of a repo could not be set");
    });
  }
  const skip = skipReason(build, commit.message);
  announcer.announce(await store.write((tx) => makeReady(tx, build.id, { ...commit, skip })));
  await deps.superseder.consider(build.id);
}

function skipReason(build: BuildRow, message: string): string | null {
  const push: Push = {
    forge: "own",
    repo: build.repo,
    ref: build.ref,
    before: build.before,
    after: build.after,
    sha: build.sha ?? undefined,
    pusher: build.pusher,
    trust: "trusted",
    defaultBranch: undefined,
    message,
    authorName: "",
  };
  // Who tries a commit wants it built, whatever its message says.
  if (build.event === "try") return null;
  const decision = decidePush(push);
  return decision.kind === "skip" ? decision.reason : null;
}
