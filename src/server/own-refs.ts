import type { Push } from "../domain/push.ts";
import type { GitRemoteDeps } from "./git-remote.ts";
import { settleAccepted } from "./settle-pushes.ts";
import { lastMoves, type RefMove } from "./store/own-moves.ts";

/**
 * A backend outlives a server that is killed: it may move its ref after the next server has already
 * looked. So there is a look soon after the start, another when the last backend must be gone, and then
 * one now and then.
 */
const LOOKS_MS = [0, 3_000, 20_000] as const;
const LOOK_EVERY_MS = 10 * 60_000;
const NO_COMMIT = "0".repeat(40);

export interface OwnRefSweep {
  close(): void;
}

/**
 * Compares the refs of the own remote with the pushes that are recorded. What moved without a record
 * becomes a push: its pusher's git said that it was taken, or would say "everything up-to-date".
 */
export function startOwnRefSweep(deps: GitRemoteDeps): OwnRefSweep {
  let looking = Promise.resolve();
  const look = (): void => {
    looking = looking
      .then(() => takeUpMovedRefs(deps))
      .catch((err: unknown) => deps.logger.warn({ err }, "Refs could not be compared with pushes"));
  };
  const timers = LOOKS_MS.map((ms) => setTimeout(look, ms));
  const timer = setInterval(look, LOOK_EVERY_MS);
  for (const each of [...timers, timer]) each.unref();
  return {
    close: () => {
      timers.forEach(clearTimeout);
      clearInterval(timer);
    },
  };
}

export async function takeUpMovedRefs(deps: GitRemoteDeps): Promise<void> {
  for (const repo of await deps.repos.names()) {
    const refs = await deps.repos.refs(repo);
    const moves = await lastMoves(deps.store, repo);
    for (const { ref, sha } of refs) {
      const past = moves.get(ref);
      if (past?.known.has(sha) === true) continue;
      await takeUp(deps, { repo, ref, sha, past });
    }
  }
}

async function takeUp(
  deps: GitRemoteDeps,
  moved: {
    readonly repo: string;
    readonly ref: string;
    readonly sha: string;
    readonly past: RefMove | undefined;
  },
): Promise<void> {
  const { repo, ref, sha: after, past } = moved;
  const cutOff = past?.cutOff.get(after);
  const push: Push = {
    forge: "own",
    repo,
    ref,
    before: cutOff?.before ?? past?.last ?? NO_COMMIT,
    after,
    sha: undefined,
    pusher: cutOff?.pusher ?? "found by sweep",
    trust: "trusted",
    defaultBranch: undefined,
    message: "",
    authorName: "",
  };
  deps.logger.warn({ repo, ref, after }, "A ref had moved without a recorded push");
  const result = await deps.intake.accept({
    forge: "own",
    deliveryId: deps.newId("sweep"),
    bodyDigest: null,
    event: "push",
    push,
    foundBy: "sweep",
  });
  await settleAccepted(deps, [result]);
}
