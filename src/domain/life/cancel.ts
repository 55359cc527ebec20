import { isFinal } from "../states.ts";
import { isOpen } from "./moves.ts";
import { after, type BuildLife, type BuildRecord, type Verdict, type Write } from "./records.ts";
import { endBuild, skipWaiting } from "./settle.ts";

export interface Cancelling extends Verdict {
  readonly result: "cancelled" | "cancelling" | "already-final";
  /** Jobs whose workers are asked to stop. */
  readonly running: readonly string[];
}

/**
 * Somebody wants a build to stop. What has not started is cancelled at once; what runs is asked to,
 * and the build ends with the last of it. One transaction decides every race (F38).
 */
export function cancelBuild(life: BuildLife, by: string, now: number): Cancelling {
  const { build, jobs, publishes } = life;
  if (isFinal(build.state)) {
    const result = "already-final";
    return { result, running: [], writes: tooLate(life, by), next: "nothing" };
  }
  const reason = cancelledBecause(build, `cancelled by ${by}`);
  const asked: Write = {
    on: "cancel-request",
    buildId: build.id,
    at: build.cancelRequestedAt ?? now,
  };
  const writes = [asked, ...cancelWaiting(life, reason, now)];
  const running = jobs.flatMap(({ id, state }) => (state === "running" ? [id] : []));
  if (running.length > 0 || publishes.some(({ state }) => state === "running")) {
    return { result: "cancelling", running, writes, next: "nothing" };
  }
  const end = endBuild(after(life, writes), { state: "cancelled", reason, text: reason, now });
  return { result: "cancelled", running, writes: [...writes, ...end], next: "nothing" };
}

/** The switch came first: whoever looks later sees that somebody did not want it. */
function tooLate({ build, publishes }: BuildLife, by: string): readonly Write[] {
  const isLive = publishes.some(({ purpose, state }) => purpose === "final" && state === "live");
  if (!isLive) return [];
  const text = `A cancel by ${by} came too late: the packages were live already.`;
  return [{ on: "note", buildId: build.id, text }];
}

function cancelWaiting(
  { jobs, publishes }: BuildLife,
  reason: string,
  now: number,
): readonly Write[] {
  const waitingJobs = jobs.flatMap(({ id, state }): Write[] => {
    if (state !== "queued") return [];
    return [
      { on: "job", id, move: { from: state, to: "cancelled" }, set: { reason, endedAt: now } },
    ];
  });
  const waitingPublishes = publishes.flatMap(({ id, state }): Write[] => {
    if (state !== "queued") return [];
    return [{ on: "publish", id, move: { from: state, to: "cancelled" }, set: { endedAt: now } }];
  });
  return [...waitingJobs, ...waitingPublishes];
}

/** A build for which there is nothing to do, found out before anything of it ran. */
export function skipBuild(life: BuildLife, reason: string, now: number): Verdict {
  if (!isOpen(life.build.state)) return { writes: [], next: "nothing" };
  const end = endBuild(life, { state: "skipped", reason, text: reason, now });
  return { writes: [...skipWaiting(life, reason, now), ...end], next: "nothing" };
}

/** Why a build that was asked to stop has stopped: `superseded by #12`, or as the asker said. */
export function cancelledBecause(
  { supersededByNumber }: Pick<BuildRecord, "supersededByNumber">,
  otherwise: string,
): string {
  return supersededByNumber === null ? otherwise : `superseded by #${supersededByNumber}`;
}
