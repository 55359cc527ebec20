/** An engine may hold thousands of images; asked about all of them at once it answers nobody. */
const LANES = 8;

/** What `work` makes of each item, in their order. The first failure stops the others before their next item. */
export async function fewAtATime<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const made: R[] = [];
  const queue = items.entries();
  let hasFailed = false;
  const lane = async (): Promise<void> => {
    for (const [at, item] of queue) {
      if (hasFailed) return;
      made[at] = await work(item);
    }
  };
  await Promise.all(
    Array.from({ length: LANES }, () =>
      lane().catch((err: unknown) => {
        hasFailed = true;
        throw err;
      }),
    ),
  );
  return made;
}
