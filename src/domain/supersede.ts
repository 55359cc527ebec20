import type { OnNewerPush } from "./pipeline.ts";
import { ZERO_SHA } from "./push.ts";

/** What is known of two builds of one ref. */
export interface MovedRef {
  readonly number: number;
  readonly before: string;
  readonly after: string;
  /** The forge said that commits were replaced. */
  readonly isForced: boolean;
}

/**
 * Does the forge's own account prove that `newer` came after `older` on the ref: is there a chain of
 * moves from the one to the other, none of them forced? `between` has the moves that are known.
 */
export function isMovedOn(older: MovedRef, newer: MovedRef, between: readonly MovedRef[]): boolean {
  const moves = new Map(
    [...between, newer]
      .filter(({ number }) => number > older.number)
      .map((move) => [move.after, move]),
  );
  let move: MovedRef | undefined = newer;
  for (let steps = 0; move !== undefined && steps <= moves.size; steps += 1) {
    if (move.isForced || ZERO_SHA.test(move.before)) return false;
    if (move.before === older.after) return true;
    move = moves.get(move.before);
  }
  return false;
}

/**
 * Has the ref left a commit for good? True when a fetch that could not have the commit saw the ref at
 * `seen` (null: nowhere), and the moves that were told lead there from the commit, forced or not. Then
 * the webhook was not earlier than its commit (F53). A ref that is back where it was before proves
 * nothing: so it looks, too, where the commit has not come yet. `later`: moves after it, oldest first.
 */
export function hasLeft(
  lost: Pick<MovedRef, "before" | "after">,
  seen: string | null,
  later: readonly Pick<MovedRef, "before" | "after">[],
): boolean {
  if (seen === lost.before) return false;
  let wanted = seen;
  for (const { before, after } of later.toReversed()) {
    const leadsThere = wanted === null ? ZERO_SHA.test(after) : after === wanted;
    if (!leadsThere) continue;
    if (before === lost.after) return true;
    wanted = before;
  }
  return false;
}

/** `on-newer-push`; a file that says nothing cancels on pull requests and keeps elsewhere. */
export function isCancelledByNewer(
  onNewerPush: OnNewerPush | null,
  isPullRequest: boolean,
): boolean {
  return (onNewerPush ?? (isPullRequest ? "cancel" : "keep")) === "cancel";
}
