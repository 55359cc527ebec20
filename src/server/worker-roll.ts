/** Who asked for work, and when last: what `/healthz` and pages say about workers. */
export interface WorkerRoll {
  /** `arch`: as the worker says, `x86_64`. */
  seen(worker: string, arch?: string): void;
  liveSince(at: number): number;
  /** Architecture → when one of its workers was last heard of; "" for those that did not say. */
  seenAt(): ReadonlyMap<string, number>;
}

const WORKERS_MAX = 10_000;

export function createWorkerRoll(now: () => number): WorkerRoll {
  const workers = new Map<string, { readonly arch: string; readonly at: number }>();
  return {
    seen: (worker, arch) => {
      const known = workers.get(worker);
      if (known === undefined && workers.size >= WORKERS_MAX) return;
      // A heartbeat does not say again what the claim has said.
      workers.set(worker, { arch: arch ?? known?.arch ?? "", at: now() });
    },
    liveSince: (at) => [...workers.values()].filter((worker) => worker.at >= at).length,
    seenAt: () => {
      const seen = new Map<string, number>();
      for (const { arch, at } of workers.values()) {
        seen.set(arch, Math.max(at, seen.get(arch) ?? 0));
      }
      return seen;
    },
  };
}
