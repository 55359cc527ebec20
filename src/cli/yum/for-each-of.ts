/** Works on at most `atOnce` items at a time; the first failure ends it, after those under way. */
export async function forEachOf<T>(
  items: AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    while (failures.length === 0) {
      const next = await iterator.next();
      if (next.done === true) return;
      await work(next.value);
    }
  };
  const fail = (err: unknown): void => void failures.push(err);
  await Promise.all(Array.from({ length: atOnce }, () => worker().catch(fail)));
  await iterator.return?.();
  if (failures.length > 0) throw failures[0];
}
