import {
  ATTEMPTS_MAX,
  nextAttempt,
  PUBLISH_LOSSES_MAX,
  PUBLISH_OPERATOR_FAULTS_MAX,
} from "../attempt.ts";
import type { Loss } from "./job-ends.ts";
import { hasWaitedTooLong } from "./lease.ts";
import { isOpen, type PublishEndState } from "./moves.ts";
import {
  after,
  NO_CHANGE,
  type BuildLife,
  type OurFault,
  type PublishRecord,
  type Verdict,
  type Write,
} from "./records.ts";
import { endBuild, skipWaiting, startVerify } from "./settle.ts";

export interface PublishEnd {
  readonly state: PublishEndState;
  /** Why it is not live. */
  readonly reason: string | null;
  /** For the commit's status. */
  readonly text: string;
  /** Of the card that its worker told; null: there is none. */
  readonly failureTitle?: string | null;
}

const CANCELLED: PublishEnd = {
  state: "cancelled",
  reason: "cancelled on request",
  text: "cancelled on request",
};

/**
 * A publish ends, and with it the build that waits for it; `life` is that build's, undefined for a
 * change of channels that is no build's. Nothing happens to one that has ended.
 */
export function endPublish(
  life: BuildLife | undefined,
  publish: PublishRecord,
  end: PublishEnd,
  now: number,
): Verdict {
  const write = endedPublish(publish, end, now);
  if (write === undefined) return NO_CHANGE;
  if (life === undefined) return { writes: [write], next: "nothing" };
  const ended = after(life, [write]);
  if (publish.purpose === "stage" && end.state === "live") {
    return { writes: [write, ...startVerify(ended, now)], next: "nothing" };
  }
  const why = "the packages could not be put in the build's own channel";
  const skipped = publish.purpose === "stage" ? skipWaiting(ended, why, now) : [];
  return { writes: [write, ...skipped, ...endOfItsBuild(ended, end, now)], next: "nothing" };
}

function endOfItsBuild(life: BuildLife, end: PublishEnd, now: number): readonly Write[] {
  if (!isOpen(life.build.state)) return [];
  const state = end.state === "live" ? "passed" : end.state;
  const { reason, text } = end;
  return endBuild(life, { state, reason, text, now, showsFailure: state !== "cancelled" });
}

function endedPublish(
  { id, state: from }: PublishRecord,
  { state: to, reason }: PublishEnd,
  now: number,
): Write | undefined {
  const set = { reason, endedAt: now, leaseExpiresAt: null, progressJson: null };
  if (from === "running") return { on: "publish", id, move: { from, to }, set };
  // One that nobody runs is never live.
  if (from !== "queued" || to === "live") return undefined;
  return { on: "publish", id, move: { from, to }, set };
}

export function cancelPublish(
  life: BuildLife | undefined,
  publish: PublishRecord,
  now: number,
): Verdict {
  return endPublish(life, publish, CANCELLED, now);
}

/** It is found out how it went; somebody may have asked to cancel meanwhile. */
export function finishPublish(
  life: BuildLife | undefined,
  publish: PublishRecord,
  end: PublishEnd,
  now: number,
): Verdict {
  const isCancelled = life !== undefined && life.build.cancelRequestedAt !== null;
  if (isCancelled) return endPublish(life, publish, CANCELLED, now);
  const { failureTitle: title = null } = end;
  if (life === undefined || title === null) return endPublish(life, publish, end, now);
  const told: Write = { on: "failure", buildId: life.build.id, title, fault: null };
  const ended = endPublish(after(life, [told]), publish, end, now);
  return { ...ended, writes: [told, ...ended.writes] };
}

/**
 * A full or absent disk, or a key that cannot be had, says nothing against the publish, and nobody's
 * push mends it: it is tried for an hour, in which an operator may.
 */
const OPERATOR_FAULTS: ReadonlySet<string> = new Set(["DISK_FULL", "SIGNING_FAILED"]);

export type PublishLoss = Omit<Loss, "step">;

/** An attempt at a publish ended without a result: again, or it ends and its build with it. */
export function losePublish(
  life: BuildLife | undefined,
  publish: PublishRecord,
  loss: PublishLoss,
  now: number,
): Verdict {
  const { id, state: from, countedAttempts } = publish;
  if (from !== "running") return NO_CHANGE;
  if (life !== undefined && life.build.cancelRequestedAt !== null) {
    return endPublish(life, publish, CANCELLED, now);
  }
  const isLost = loss.kind === "worker-lost";
  const faultsMax = OPERATOR_FAULTS.has(loss.code) ? PUBLISH_OPERATOR_FAULTS_MAX : ATTEMPTS_MAX;
  const attemptsMax = isLost ? PUBLISH_LOSSES_MAX : faultsMax;
  const next = nextAttempt(loss.kind, countedAttempts, attemptsMax);
  if (next.kind === "give-up") {
    const title = isLost ? `publish worker lost ${countedAttempts} times` : loss.message;
    return giveUpPublish(life, publish, { code: loss.code, title, step: "publish" }, now);
  }
  const set = {
    notBeforeAt: now + next.pauseMs,
    countedAttempts: next.counted ? countedAttempts : countedAttempts - 1,
    leaseTokenHash: null,
    leaseExpiresAt: null,
    progressJson: null,
  };
  return { writes: [{ on: "publish", id, move: { from, to: "queued" }, set }], next: "nothing" };
}

/** One that waited too long for any publish worker ends `errored`, like jobs do. */
export function giveUpWaitingPublish(
  life: BuildLife | undefined,
  publish: PublishRecord,
  times: { readonly now: number; readonly waitMs: number },
): Verdict {
  if (!hasWaitedTooLong(publish, times)) return NO_CHANGE;
  const fault = { code: "NO_WORKER", title: "no publish worker took it", step: "publish" } as const;
  return giveUpPublish(life, publish, fault, times.now);
}

function giveUpPublish(
  life: BuildLife | undefined,
  publish: PublishRecord,
  fault: OurFault,
  now: number,
): Verdict {
  const told: readonly Write[] =
    life === undefined
      ? []
      : [{ on: "failure", buildId: life.build.id, title: fault.title, fault }];
  const known = life && after(life, told);
  const end = { state: "errored", reason: fault.title, text: fault.title } as const;
  const ended = endPublish(known, publish, end, now);
  return { ...ended, writes: [...told, ...ended.writes] };
}
