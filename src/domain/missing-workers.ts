import { roughly } from "./waiting-words.ts";

/** Who is there to take jobs. Instants in epoch milliseconds. */
export interface BuildWorkers {
  readonly now: number;
  /** Architecture → when a worker of it that takes work was last heard of. */
  readonly workersSeenAt: ReadonlyMap<string, number>;
  /** Who was heard of after this instant is there. */
  readonly aliveSinceAt: number;
  /** Those that are out of service; "" for an architecture that they did not say. */
  readonly drained: readonly { readonly id: string; readonly arch: string }[];
}

const NO_WORKER = "no worker is online";

/** Why no worker takes a job of this architecture; null: there is one. */
export function missingWorker(arch: string | null, workers: BuildWorkers): string | null {
  const { workersSeenAt, aliveSinceAt, now } = workers;
  // One that did not say takes any job.
  const fits = (of: string): boolean => arch === null || of === arch || of === "";
  const seen = [...workersSeenAt].flatMap(([of, at]) => (fits(of) ? [at] : []));
  const lastAt = Math.max(...seen);
  if (lastAt >= aliveSinceAt) return null;
  const drained = workers.drained.filter((worker) => fits(worker.arch)).map(({ id }) => id);
  if (drained.length > 0) return drainedWords("its worker", drained);
  const what = arch === null ? NO_WORKER : `no worker for ${arch}`;
  return seen.length === 0 ? what : `${what} since ${roughly(now - lastAt)}`;
}

/** Nobody at all is there, and nobody says why. */
export function saysNobody(reason: string): boolean {
  return reason.startsWith(NO_WORKER);
}

export interface PublishWorker {
  readonly id: string;
  readonly seenAt: number;
  readonly isDrained: boolean;
  /** Whoever publishes does not ask for more meanwhile. */
  readonly isBusy: boolean;
}

/** Why nobody takes a publish that waits; null: somebody does, or will when it has ended another. */
export function missingPublisher(
  workers: readonly PublishWorker[],
  { now, aliveSinceAt }: Pick<BuildWorkers, "now" | "aliveSinceAt">,
): string | null {
  const inService = workers.filter(({ isDrained }) => !isDrained);
  if (inService.some(({ isBusy, seenAt }) => isBusy || seenAt >= aliveSinceAt)) return null;
  const drained = workers.filter(({ isDrained }) => isDrained).map(({ id }) => id);
  if (drained.length > 0) return drainedWords("the publish worker", drained);
  if (inService.length === 0) return "no publish worker is online";
  const lastAt = Math.max(...inService.map(({ seenAt }) => seenAt));
  return `no publish worker is online since ${roughly(now - lastAt)}`;
}

/** `its workers are drained: w-1, w-2; tatara worker resume w-1` */
function drainedWords(who: string, ids: readonly string[]): string {
  const are = ids.length === 1 ? `${who} is` : `${who}s are`;
  return `${are} drained: ${ids.join(", ")}; tatara worker resume ${ids[0] ?? ""}`;
}
