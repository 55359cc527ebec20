import { uptime } from "node:os";

/** A step counts once it has held for so long: most that are no mistake are taken back by then. */
const HOLD_MS = 15 * 60_000;
/** NTP turns a clock by less than this; what is more is a step. */
const STEP_MS = 1_000;
const DRIFT_SHARE = 0.001;
/** A machine that has just been switched on is about to be told the time. */
const BOOT_MS = 10 * 60_000;

/** Wall clocks of one process, in epoch ms. */
export interface Clock {
  /**
   * What is written down and told. It goes on as it was when the machine's clock is set, ahead or back,
   * until that has held for a quarter of an hour.
   */
  readonly now: () => number;
  /**
   * The earlier of that and the machine's clock: for what must not come early, though times of files
   * and of other programs are by the machine's. Nothing is removed by it for being old that is young by
   * either, and nothing that it dates is in the future by either.
   */
  readonly earliest: () => number;
}

interface Sources {
  readonly wall: () => number;
  /** Stands still while the machine sleeps, and is never set. */
  readonly monotonic: () => number;
  /** Since the machine was switched on, its sleep included. */
  readonly uptime: () => number;
}

const MACHINE: Sources = {
  wall: Date.now,
  monotonic: () => performance.now(),
  uptime: () => uptime() * 1_000,
};

/**
 * A clock that is set for a moment must not make all that is kept look a day older, nor a build take an
 * hour, nor a schedule come early. So steps are told by the monotonic clock, and have to hold. What a
 * process finds when it starts it has to believe.
 */
export function openClock({ wall, monotonic, uptime: awake }: Sources = MACHINE): Clock {
  /** When both clocks were last in step. */
  let base = { wall: wall(), monotonic: monotonic() };
  let step: { readonly byMs: number; readonly sinceMs: number } | undefined;
  const sleptMs = (): number => awake() - monotonic();
  let sleptBeforeMs = sleptMs();

  const isExplained = (byMs: number, slackMs: number): boolean => {
    if (awake() < BOOT_MS) return true;
    const justSleptMs = sleptMs() - sleptBeforeMs;
    if (Math.abs(byMs - justSleptMs) > slackMs) return false;
    sleptBeforeMs += justSleptMs;
    return true;
  };
  const mayCount = (byMs: number, { atMs, slackMs }: { atMs: number; slackMs: number }) => {
    if (step !== undefined && Math.abs(byMs - step.byMs) <= slackMs) {
      return atMs - step.sinceMs >= HOLD_MS;
    }
    step = { byMs, sinceMs: atMs };
    return isExplained(byMs, slackMs);
  };
  const now = (): number => {
    const at = { wall: wall(), monotonic: monotonic() };
    const passedMs = at.monotonic - base.monotonic;
    const expected = Math.round(base.wall + passedMs);
    const byMs = at.wall - expected;
    const slackMs = STEP_MS + passedMs * DRIFT_SHARE;
    const isStep = Math.abs(byMs) > slackMs;
    if (isStep && !mayCount(byMs, { atMs: at.monotonic, slackMs })) return expected;
    base = at;
    step = undefined;
    return at.wall;
  };
  return { now, earliest: () => Math.min(wall(), now()) };
}
