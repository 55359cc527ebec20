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

/** `on-newer-push`; a file that says nothing cancels on pull requests and keeps elsewhere. */
export function isCancelledByNewer(
  onNewerPush: OnNewerPush | null,
  isPullRequest: boolean,
): boolean {
  return (onNewerPush ?? (isPullRequest ? "cancel" : "keep")) === "cancel";
}
