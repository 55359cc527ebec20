const MISSES_MAX = 3;
/** A step that was given up on is looked at again after so many runs. */
const AGAIN_AFTER = 20;
const STEPS_MAX = 10_000;

/**
 * Which steps are worth a look for reports that nobody named. The look costs an archive of the
 * engine (about 60 ms on a busy machine), and most steps never leave a report: after three runs
 * without one a step that passes is looked at every 20th time only, one that fails always. Its first
 * report brings it back, so a test that passes has its place in the history.
 */
export interface LookMemory {
  isWorthALook(step: string): boolean;
  note(step: string, hasFound: boolean): void;
}

export function createLookMemory(): LookMemory {
  /** Runs in a row without a report. */
  const misses = new Map<string, number>();
  return {
    isWorthALook: (step) => {
      const count = misses.get(step) ?? 0;
      if (count < MISSES_MAX || count % AGAIN_AFTER === 0) return true;
      misses.set(step, count + 1);
      return false;
    },
    note: (step, hasFound) => {
      const count = hasFound ? 0 : (misses.get(step) ?? 0) + 1;
      // The oldest goes: a step that is forgotten is only looked at again.
      const [oldest] = misses.keys();
      if (misses.size >= STEPS_MAX && oldest !== undefined) misses.delete(oldest);
      misses.delete(step);
      misses.set(step, count);
    },
  };
}

/** Of this process, for all its jobs. */
export const LOOKS: LookMemory = createLookMemory();
