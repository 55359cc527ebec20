/** Runs work in the order it came: at most `max` at once, and one at a time per key. */
export interface Lanes {
  add(key: string, work: () => Promise<void>): void;
  /** Resolves once work of a new key would start at once, and little waits for its key. */
  room(): Promise<void>;
  /** Resolves once nothing runs or waits. */
  idle(): Promise<void>;
}

/** `work` must not reject: nobody waits for one piece of it. */
export function createLanes(max: number): Lanes {
  const running = new Map<string, Promise<void>>();
  const waiting: { key: string; work: () => Promise<void> }[] = [];

  const startWhatCan = (): void => {
    while (running.size < max) {
      const index = waiting.findIndex(({ key }) => !running.has(key));
      const [next] = index === -1 ? [] : waiting.splice(index, 1);
      if (next === undefined) return;
      const done = next.work().finally(() => {
        running.delete(next.key);
        startWhatCan();
      });
      running.set(next.key, done);
    }
  };

  const until = async (isReached: () => boolean): Promise<void> => {
    while (!isReached()) await Promise.race(running.values());
  };

  return {
    add: (key, work) => {
      waiting.push({ key, work });
      startWhatCan();
    },
    room: () => until(() => waiting.length < max && running.size < max),
    idle: () => until(() => waiting.length === 0 && running.size === 0),
  };
}
