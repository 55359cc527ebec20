import { missingWorker, type BuildWorkers } from "./missing-workers.ts";
import { roughly } from "./waiting-words.ts";

/** Why something waits, how many go before it, and when it is likely to start. */
export interface Waiting {
  /** A sentence without its end, for pages, API and command line. */
  readonly reason: string;
  /** Jobs that are likely to start before; null: it is not in the line. */
  readonly ahead: number | null;
  /** From now; null: not known. */
  readonly etaMs: number | null;
}

/** What is known of a queued job. */
export interface QueuedJob {
  readonly id: string;
  readonly repo: string;
  readonly priority: number;
  readonly queuedAt: number;
  readonly arch: string | null;
  /** Its ref has moved; only the own remote's may still be on its way. */
  readonly isReady: boolean;
  /** Why a person must act first. */
  readonly waitReason: string | null;
  /** Jobs of the build that must pass first and have not. */
  readonly needs: readonly string[];
  /** It waits for other jobs, or for packages to verify. */
  readonly isBlocked: boolean;
  /** Why nobody puts those packages in the build's own channel; null: somebody does. */
  readonly stageWaits: string | null;
  readonly notBeforeAt: number;
  /** Why its last attempt was lost. */
  readonly lastReason: string | null;
  /** The stranger whose limit holds it up. */
  readonly busyStranger: string | null;
  /** How long such a job usually takes; null: never seen. */
  readonly typicalMs: number | null;
}

export interface QueueFacts extends BuildWorkers {
  /** What runs: whose, and how much longer it is likely to take. */
  readonly running: readonly { readonly repo: string; readonly leftMs: number | null }[];
}

/** What a job of unknown length is counted with. */
const UNKNOWN_MS = 60_000;

/** Of each queued job, in the order in which they are likely to start; those not in the line last. */
export function waitings(
  jobs: readonly QueuedJob[],
  facts: QueueFacts,
): ReadonlyMap<string, Waiting> {
  const told = new Map<string, Waiting>();
  const standing = jobs.filter((job) => ownReason(job, facts) === null);
  const slots = freeTimes(facts);
  for (const [ahead, job] of fairOrder(standing, facts.running).entries()) {
    const at = slots.length === 0 ? null : Math.min(...slots);
    if (at !== null) slots[slots.indexOf(at)] = at + (job.typicalMs ?? UNKNOWN_MS);
    told.set(job.id, { reason: lineReason(ahead, at), ahead, etaMs: at });
  }
  for (const job of jobs) {
    const reason = ownReason(job, facts);
    if (reason !== null) told.set(job.id, { reason, ahead: null, etaMs: etaOf(job, facts) });
  }
  return told;
}

function etaOf({ notBeforeAt }: QueuedJob, { now }: QueueFacts): number | null {
  return notBeforeAt > now ? notBeforeAt - now : null;
}

/** Somebody waits although there is work, so whatever can run runs: as many slots as jobs. */
function freeTimes({ running, workersSeenAt, aliveSinceAt }: QueueFacts): number[] {
  if (running.length > 0) return running.map(({ leftMs }) => leftMs ?? UNKNOWN_MS);
  const isAnyAlive = [...workersSeenAt.values()].some((at) => at >= aliveSinceAt);
  return isAnyAlive ? [0] : [];
}

/** What keeps it out of the line; null: nothing. */
function ownReason(job: QueuedJob, facts: QueueFacts): string | null {
  if (!job.isReady) return "waits for its push to end";
  if (job.waitReason !== null) return job.waitReason;
  if (job.needs.length > 0) return `waits for ${job.needs.join(", ")}`;
  if (job.isBlocked) {
    const what = "waits for the packages that it verifies";
    return job.stageWaits === null ? what : `${what}: ${job.stageWaits}`;
  }
  if (job.notBeforeAt > facts.now) {
    const when = `tries again in ${roughly(job.notBeforeAt - facts.now)}`;
    return job.lastReason === null ? when : `${when}: ${job.lastReason}`;
  }
  if (job.busyStranger !== null) return `as many jobs of ${job.busyStranger} as may run already`;
  return missingWorker(job.arch, facts);
}

function lineReason(ahead: number, etaMs: number | null): string {
  const before = ahead === 0 ? "next in line" : `${ahead} ahead`;
  return etaMs === null || etaMs === 0
    ? `waiting for a worker: ${before}`
    : `waiting for a worker: ${before}, about ${roughly(etaMs)}`;
}

/**
 * As `pickJob` takes them, one after the other, each counted as running from then on: the higher
 * priority, the repo of which the least runs, the older one.
 */
export function fairOrder<Job extends Pick<QueuedJob, "repo" | "priority" | "queuedAt">>(
  jobs: readonly Job[],
  running: readonly { readonly repo: string }[],
): readonly Job[] {
  const load = new Map<string, number>();
  for (const { repo } of running) load.set(repo, (load.get(repo) ?? 0) + 1);
  const ordered: Job[] = [];
  for (const priority of [...new Set(jobs.map((job) => job.priority))].toSorted((a, b) => b - a)) {
    const lines = linesOf(
      jobs.filter((job) => job.priority === priority),
      load,
    );
    while (lines.length > 0) {
      const line = lines.reduce((best, one) => (isBefore(one, best) ? one : best));
      ordered.push(line.first);
      line.load += 1;
      load.set(line.first.repo, line.load);
      const first = line.jobs[(line.taken += 1)];
      if (first === undefined) lines.splice(lines.indexOf(line), 1);
      else line.first = first;
    }
  }
  return ordered;
}

/** The jobs of one repo by age. */
interface Line<Job> {
  readonly jobs: readonly Job[];
  taken: number;
  /** Of those that are not taken. */
  first: Job;
  /** So many of the repo's run by now. */
  load: number;
}

function linesOf<Job extends Pick<QueuedJob, "repo" | "queuedAt">>(
  jobs: readonly Job[],
  load: ReadonlyMap<string, number>,
): Line<Job>[] {
  return [...Map.groupBy(jobs, ({ repo }) => repo)].flatMap(([repo, some]) => {
    const byAge = some.toSorted((a, b) => a.queuedAt - b.queuedAt);
    const [first] = byAge;
    return first === undefined ? [] : [{ jobs: byAge, taken: 0, first, load: load.get(repo) ?? 0 }];
  });
}

function isBefore(
  one: Line<Pick<QueuedJob, "queuedAt">>,
  other: Line<Pick<QueuedJob, "queuedAt">>,
): boolean {
  if (one.load !== other.load) return one.load < other.load;
  return one.first.queuedAt < other.first.queuedAt;
}

/** The middle one; null of none. */
export function medianMs(durations: readonly number[]): number | null {
  const sorted = durations.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? null;
}
