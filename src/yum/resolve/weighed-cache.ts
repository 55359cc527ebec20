/** Keeps what was used last, up to a weight; one load per key at a time. */
export interface WeighedCache<T> {
  get(key: string, load: () => Promise<T>): Promise<T>;
}

/** A value heavier than the whole cache is loaded and not kept. A load that fails is not kept. */
export function weighedCache<T>(weightMax: number, weigh: (value: T) => number): WeighedCache<T> {
  const kept = new Map<string, { readonly value: Promise<T>; weight: number }>();
  let total = 0;

  function forget(key: string): void {
    total -= kept.get(key)?.weight ?? 0;
    kept.delete(key);
  }

  function makeRoom(): void {
    for (const [key, { weight }] of kept) {
      if (total <= weightMax) return;
      if (weight > 0) forget(key);
    }
  }

  return {
    async get(key, load) {
      const known = kept.get(key);
      if (known !== undefined) {
        kept.delete(key);
        kept.set(key, known);
        return await known.value;
      }
      const entry = { value: load(), weight: 0 };
      kept.set(key, entry);
      try {
        const value = await entry.value;
        entry.weight = weigh(value);
        total += entry.weight;
        makeRoom();
        return value;
      } catch (error) {
        forget(key);
        throw error;
      }
    },
  };
}
