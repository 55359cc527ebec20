/** Where a publish's time went, for one line in the logger. */
export interface Stopwatch {
  time<T>(name: string, work: Promise<T>): Promise<T>;
  elapsedMs(): number;
  /** Name → start and duration. A lap that happens again counts from its last start. */
  laps(): Readonly<Record<string, { readonly atMs: number; readonly ms: number }>>;
}

export function startStopwatch(): Stopwatch {
  const startedAt = performance.now();
  const laps: Record<string, { readonly atMs: number; readonly ms: number }> = {};
  const elapsedMs = (): number => tenths(performance.now() - startedAt);
  return {
    time: async (name, work) => {
      const atMs = elapsedMs();
      try {
        return await work;
      } finally {
        laps[name] = { atMs, ms: tenths(elapsedMs() - atMs) };
      }
    },
    elapsedMs,
    laps: () => laps,
  };
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
