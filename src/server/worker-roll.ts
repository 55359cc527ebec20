/** Who asked for work, and when last: what `/healthz` and pages say about workers. */
export interface WorkerRoll {
  /** `arch`: as the worker says, `x86_64`. `takesWork`: false while it is drained. */
  seen(worker: string, arch?: string, takesWork?: boolean): void;
  /** Whoever takes no work counts neither here nor in `seenAt`. */
  liveSince(at: number): number;
  /** When it was last heard of; undefined: not since this process began. */
  heardOf(worker: string): number | undefined;
  /** Why it takes no jobs, as it says; null: it does. One worker has one trouble, however often it says so. */
  trouble(worker: string, trouble: string | null): void;
  /** What it said, as long as it goes on saying it. */
  troubleOf(worker: string): string | null;
  troubles(): readonly { readonly worker: string; readonly trouble: string }[];
  /** Architecture → when one of its workers was last heard of; "" for those that did not say. */
  seenAt(): ReadonlyMap<string, number>;
}

interface Seen {
  readonly arch: string;
  readonly at: number;
  readonly takesWork: boolean;
}

const WORKERS_MAX = 10_000;
/** A worker in trouble says so every 15 s. */
const TROUBLE_MS = 60_000;

export function createWorkerRoll(now: () => number): WorkerRoll {
  const workers = new Map<string, Seen>();
  const troubles = new Map<string, { readonly text: string; readonly at: number }>();
  const troubleOf = (worker: string): string | null => {
    const said = troubles.get(worker);
    return said === undefined || now() - said.at > TROUBLE_MS ? null : said.text;
  };
  return {
    troubleOf,
    troubles: () =>
      [...troubles.keys()].flatMap((worker) => {
        const trouble = troubleOf(worker);
        return trouble === null ? [] : [{ worker, trouble }];
      }),
    trouble: (worker, text) => {
      if (text === null) troubles.delete(worker);
      else if (troubles.has(worker) || troubles.size < WORKERS_MAX)
        troubles.set(worker, { text, at: now() });
    },
    seen: (worker, arch, takesWork) => {
      const known = workers.get(worker);
      if (known === undefined && workers.size >= WORKERS_MAX) return;
      // A heartbeat does not say again what the claim has said.
      workers.set(worker, {
        arch: arch ?? known?.arch ?? "",
        at: now(),
        takesWork: takesWork ?? known?.takesWork ?? true,
      });
    },
    liveSince: (at) =>
      [...workers].filter(
        ([name, worker]) => worker.takesWork && worker.at >= at && troubleOf(name) === null,
      ).length,
    heardOf: (worker) => workers.get(worker)?.at,
    seenAt: () => {
      const seen = new Map<string, number>();
      for (const { arch, at, takesWork } of workers.values()) {
        if (takesWork) seen.set(arch, Math.max(at, seen.get(arch) ?? 0));
      }
      return seen;
    },
  };
}
