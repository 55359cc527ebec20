import type { State } from "../states.ts";
import type { BirthOfBuild } from "./moves.ts";

/** What the records say about a delivery that has come in. */
export interface KnownDelivery {
  /** What became of one with the same id or body. */
  readonly seen: "accepted" | "duplicate" | "ignored" | undefined;
  /** State of the build that the same push led to before, under whatever delivery. */
  readonly ownerState: State | undefined;
  /** State of the build for a push that we found by ourselves, of which this may be the late delivery. */
  readonly foundState: State | undefined;
}

export type DeliveryDecision =
  /** The very delivery is known: it leads to what it led to. */
  | { readonly kind: "known" }
  /** The same push under another name: a row that points at the build, no second build (F4). */
  | { readonly kind: "same-push" }
  /** The push was found before its delivery came: a row that points at the build. */
  | { readonly kind: "late" }
  /** A build is made. */
  | { readonly kind: "make" };

/** One push, however often and under whatever names it comes, leads to one build (F4, I1). */
export function decideDelivery(known: KnownDelivery): DeliveryDecision {
  const { seen, ownerState, foundState } = known;
  // An ignored one is sent again on purpose, after what stood in its way is gone.
  if (seen !== undefined && seen !== "ignored") return { kind: "known" };
  if (ownerState !== undefined && !mayBuildAgain(ownerState)) return { kind: "same-push" };
  if (foundState !== undefined && !mayBuildAgain(foundState)) return { kind: "late" };
  return { kind: "make" };
}

/** We could not, or somebody stopped it: sent again it is meant. */
function mayBuildAgain(state: State): boolean {
  return state === "errored" || state === "cancelled";
}

/** Too much waits already: a build is recorded, and ends at once. Null: there is room. */
export function overQuota(
  repo: string,
  waiting: number,
  waitingMax: number,
): { readonly state: Extract<BirthOfBuild, "cancelled">; readonly reason: string } | null {
  if (waiting < waitingMax) return null;
  const reason = `over quota: ${waiting} builds of ${repo} wait already; rerun it when they are done`;
  return { state: "cancelled", reason };
}
