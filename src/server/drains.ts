import { roughly } from "../domain/waiting-words.ts";
import type { Logger } from "../shared/logger.ts";
import { PROTOCOL } from "../shared/protocol.ts";
import type { Announcer } from "./announcer.ts";
import {
  drainWorker,
  forgetGone,
  forgetWorker,
  readWorkers,
  resumeWorker,
  speaksWithUs,
  takeBackOverdue,
  type WorkerRecord,
} from "./store/workers.ts";
import type { Store } from "./store/store.ts";

/** What runs on a drained worker may go on so long. */
export const DRAIN_MS = 60 * 60_000;
const LOOK_EVERY_MS = 1_000;
/** A worker asks at least every 45 s, and says that it lives every 5 s while a job runs. */
const ALIVE_MS = 60_000;

/** `too-old`, `too-new`: it speaks no version of the protocol that this server does. */
export type WorkerState =
  | "working"
  | "draining"
  | "drained"
  | "in-trouble"
  | "away"
  | "too-old"
  | "too-new";

export interface WorkerView extends Omit<WorkerRecord, "drainUntilAt"> {
  readonly state: WorkerState;
  /** A sentence without its end: `upgrade needed: …`, `safe to reboot`. */
  readonly says: string;
  readonly drainUntilAt: number | null;
}

export interface Drains {
  list(): Promise<readonly WorkerView[]>;
  /** `now`: what runs is handed back at once. False: nobody of that name has ever asked for work. */
  drain(
    id: string,
    wish: { readonly note: string | null; readonly now: boolean },
  ): Promise<boolean>;
  resume(id: string): Promise<boolean>;
  /** Takes one off the list that is gone. A sentence: why it is not. Undefined: never heard of. */
  forget(id: string): Promise<true | string | undefined>;
  close(): void;
}

/** Takes workers out of service and back. The records decide; a worker only notices that it gets nothing. */
export function openDrains({
  store,
  announcer,
  stopJobs,
  heardOf,
  troubleOf,
  logger,
}: {
  readonly store: Store;
  readonly announcer: Pick<Announcer, "announce">;
  /** Tells workers to look at their leases at once. */
  readonly stopJobs: (jobIds: readonly string[]) => void;
  /** When a worker was last heard of in this process's life. */
  readonly heardOf: (worker: string) => number | undefined;
  /** Why it takes no jobs, as it says. */
  readonly troubleOf: (worker: string) => string | null;
  readonly logger: Logger;
}): Drains {
  const takeBack = async (): Promise<void> => {
    const { jobIds, changes } = await store.write(async (tx) => {
      await forgetGone(tx);
      return await takeBackOverdue(tx);
    });
    changes.forEach(announcer.announce);
    stopJobs(jobIds);
  };
  const timer = setInterval(() => {
    takeBack().catch((err: unknown) => logger.warn({ err }, "Drained workers were not looked at"));
  }, LOOK_EVERY_MS);

  return {
    list: async () => {
      const records = await readWorkers(store);
      return records.map((record) => {
        const view = viewOf(record, store.now(), heardOf(record.id));
        const trouble = troubleOf(record.id);
        const isBusy = view.state === "working" || view.state === "away";
        return trouble === null || !isBusy
          ? view
          : { ...view, state: "in-trouble", says: withoutStop(trouble) };
      });
    },
    drain: async (id, { note, now }) => {
      const untilAt = store.now() + (now ? 0 : DRAIN_MS);
      const isKnown = await store.write((tx) => drainWorker(tx, id, { note, untilAt }));
      if (isKnown && now) await takeBack();
      return isKnown;
    },
    resume: (id) => store.write((tx) => resumeWorker(tx, id)),
    forget: (id) =>
      store.write(async (tx) => {
        const record = (await readWorkers(tx)).find((one) => one.id === id);
        if (record === undefined) return undefined;
        if (record.running.length > 0) return `Worker ${id} still holds work.`;
        const seenAt = Math.max(record.seenAt, heardOf(id) ?? 0);
        const silentMs = tx.now() - seenAt;
        if (silentMs <= ALIVE_MS) return `Worker ${id} was heard of ${roughly(silentMs)} ago.`;
        await forgetWorker(tx, id);
        return true;
      }),
    close: () => clearInterval(timer),
  };
}

function viewOf(record: WorkerRecord, now: number, heardAt = 0): WorkerView {
  const seenAt = Math.max(record.seenAt, heardAt);
  const state = stateOf({ ...record, seenAt }, now);
  return { ...record, seenAt, state, says: wordsOf(state, { ...record, seenAt }, now) };
}

function withoutStop(sentence: string): string {
  return sentence.replace(/\.$/, "");
}

function stateOf(record: WorkerRecord, now: number): Exclude<WorkerState, "in-trouble"> {
  const { protocolLowest: lowest, protocolHighest: highest } = record;
  if (!speaksWithUs({ lowest, highest })) return highest < PROTOCOL.lowest ? "too-old" : "too-new";
  if (record.drainingAt !== null) return record.running.length > 0 ? "draining" : "drained";
  return now - record.seenAt > ALIVE_MS ? "away" : "working";
}

function wordsOf(
  state: Exclude<WorkerState, "in-trouble">,
  record: WorkerRecord,
  now: number,
): string {
  const note = record.drainNote === null ? "" : ` (${record.drainNote})`;
  const { protocolLowest: lowest, protocolHighest: highest, running } = record;
  const speaks = lowest === highest ? `protocol ${lowest}` : `protocols ${lowest} to ${highest}`;
  const ours = `${PROTOCOL.lowest} to ${PROTOCOL.highest}`;
  switch (state) {
    case "too-old":
      return `upgrade needed: it speaks ${speaks}, this server ${ours}; it gets no jobs`;
    case "too-new":
      return `newer than this server: it speaks ${speaks}, this server ${ours}; it gets no jobs`;
    case "drained":
      return `safe to reboot${note}`;
    case "draining": {
      const leftMs = Math.max(0, (record.drainUntilAt ?? now) - now);
      return `${running.length} left, handed back in ${roughly(leftMs)} at the latest${note}`;
    }
    case "away":
      return `not heard of for ${roughly(now - record.seenAt)}`;
    case "working":
      return running.length === 0 ? "idle" : `${running.length} running`;
  }
}

/** What `/healthz` says about workers. */
export function workerWarnings(
  workers: readonly WorkerView[],
  namesWorkers: boolean,
): readonly string[] {
  return workers.flatMap(({ id, state, says }) => {
    if (state === "draining" || state === "drained") {
      const what = "is drained and takes nothing";
      return [namesWorkers ? `worker ${id} ${what}: ${says}` : `a worker ${what}`];
    }
    if (state !== "too-old" && state !== "too-new") return [];
    return [namesWorkers ? `worker ${id}: ${says}` : "a worker has the wrong version"];
  });
}
