/** Keeps what was read last, up to a total weight; immutable things only, for nothing is read again. */
export interface BoundedCache<T> {
  /** Those who ask while it is being read share one reading. A failed one is not kept. */
  get(key: string, load: () => Promise<T>): Promise<T>;
}

export interface CacheBound<T> {
  /** Of all that is kept; one value that weighs more is not kept at all. */
  readonly weightMax: number;
  readonly weigh: (value: T) => number;
}

export function boundedCache<T>({ weightMax, weigh }: CacheBound<T>): BoundedCache<T> {
  const kept = new Map<string, { readonly value: Promise<T>; readonly weight: number }>();
  const loading = new Map<string, Promise<T>>();
  let total = 0;

  const keep = (key: string, value: Promise<T>, weight: number): void => {
    if (weight > weightMax) return;
    kept.set(key, { value, weight });
    total += weight;
    for (const [oldest, dropped] of kept) {
      if (total <= weightMax) return;
      kept.delete(oldest);
      total -= dropped.weight;
    }
  };

  const load = (key: string, read: () => Promise<T>): Promise<T> => {
    const value = read();
    loading.set(key, value);
    const end = (): boolean => loading.delete(key);
    value.then((read) => end() && keep(key, value, weigh(read)), end);
    return value;
  };

  return {
    get: (key, read) => {
      const found = kept.get(key);
      if (found === undefined) return loading.get(key) ?? load(key, read);
      // Asked for again, it moves to the end: what was not asked for longest goes first.
      kept.delete(key);
      kept.set(key, found);
      return found.value;
    },
  };
}
