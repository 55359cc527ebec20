/**
 * Works for the same content one after the other. A signature holds the time, so a content that two
 * publishes signed side by side would be published with two digests.
 */
export interface OncePerContent {
  /** Begins when whoever came before has ended, however it did; `until` ends the turn. */
  take<T>(sha256: string, work: () => Promise<{ result: T; until: Promise<unknown> }>): Promise<T>;
}

export function oncePerContent(): OncePerContent {
  const last = new Map<string, Promise<unknown>>();
  return {
    take: async (sha256, work) => {
      const before = last.get(sha256);
      const { promise, resolve } = Promise.withResolvers<void>();
      last.set(sha256, promise);
      const end = (): void => {
        resolve();
        if (last.get(sha256) === promise) last.delete(sha256);
      };
      try {
        await before;
        const { result, until } = await work();
        until.then(end, end);
        return result;
      } catch (err) {
        end();
        throw err;
      }
    },
  };
}
