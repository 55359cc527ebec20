/** Kept in memory while a log is held; a program that prints more waits. */
const HELD_BYTES_MAX = 1024 * 1024;

/** Takes output before anybody may see it. */
export interface HeldLog {
  write(chunk: Buffer): Promise<void>;
  /** Shows what was held, and from now on everything as it comes. */
  release(): void;
}

/** Holds what `write` would show until it is released; never released, it is never shown. */
export function holdLog(write: (chunk: Buffer) => Promise<void>): HeldLog {
  const released = Promise.withResolvers<void>();
  let held: Buffer[] = [];
  let heldBytes = 0;
  let isReleased = false;
  let flushed = Promise.resolve();

  return {
    write: async (chunk) => {
      if (!isReleased && heldBytes + chunk.length <= HELD_BYTES_MAX) {
        held.push(chunk);
        heldBytes += chunk.length;
        return;
      }
      await released.promise;
      await flushed;
      await write(chunk);
    },
    release: () => {
      if (isReleased) return;
      isReleased = true;
      const all = Buffer.concat(held);
      held = [];
      // In order: nothing that comes later is shown before what was held.
      flushed = all.length === 0 ? Promise.resolve() : write(all);
      released.resolve();
    },
  };
}
