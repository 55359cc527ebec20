/** Who asked for work, and when last: what `/healthz` and pages say about workers. */
export interface WorkerRoll {
  seen(worker: string): void;
  liveSince(at: number): number;
}

const WORKERS_MAX = 10_000;

export function createWorkerRoll(now: () => number): WorkerRoll {
  const lastSeen = new Map<string, number>();
  return {
    seen: (worker) => {
      if (lastSeen.size < WORKERS_MAX || lastSeen.has(worker)) lastSeen.set(worker, now());
    },
    liveSince: (at) => [...lastSeen.values()].filter((seenAt) => seenAt >= at).length,
  };
}
