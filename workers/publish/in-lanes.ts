/**
 * Works on many items, a few at a time. The first failure stops the others before their next item,
 * and is thrown once all have ended, so that nothing works on in a removed folder.
 */
export async function inLanes<T>(
  items: Iterable<T>,
  lanes: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items[Symbol.iterator]();
  const failed = new AbortController();
  const lane = async (): Promise<void> => {
    for (let next = queue.next(); next.done !== true; next = queue.next()) {
      if (failed.signal.aborted) return;
      await work(next.value).catch((err: unknown) => failed.abort(err));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  failed.signal.throwIfAborted();
}
