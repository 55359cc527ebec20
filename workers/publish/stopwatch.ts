/** Where a publish's time went, for one line in the logger. */
export interface Stopwatch {
  time<T>(name: string, work: Promise<T>): Promise<T>;
  /** A lap that began at `fromMs` ends now. */
  lap(name: string, fromMs: number): void;
  elapsedMs(): number;
  /** Name → start and duration. A lap that happens again counts from its last start. */
  laps(): Readonly<Record<string, { readonly atMs: number; readonly ms: number }>>;
}

export function startStopwatch(): Stopwatch {
  const startedAt = performance.now();
  const laps: Record<string, { readonly atMs: number; readonly ms: number }> = {};
  const elapsedMs = (): number => tenths(performance.now() - startedAt);
  const lap = (name: string, atMs: number): void => {
    laps[name] = { atMs, ms: tenths(elapsedMs() - atMs) };
  };
  return {
    time: async (name, work) => {
      const atMs = elapsedMs();
      try {
        return await work;
      } finally {
        lap(name, atMs);
      }
    },
    lap,
    elapsedMs,
    laps: () => laps,
  };
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
