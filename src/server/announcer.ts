import type { Logger } from "../shared/logger.ts";
import { QUEUE_NAMES, type QueueName, type Tickets } from "../shared/queues.ts";
import type { Changed } from "./store/builds.ts";
import type { Live, LogKey, LostLogs } from "./views.ts";

export interface Announcer {
  /** Tells queues and pages about a change that is on disk. Never throws: it is only a hint. */
  announce(changed: Changed): void;
}

/**
 * A burst wakes the workers once: they go on claiming until nothing is left. Each build ticket may wake
 * a worker's free place, while whoever hears of one status claims all that there are.
 */
const TICKETS_PER_TURN_MAX = { build: 32, publish: 32, report: 1 } as const satisfies Record<
  QueueName,
  number
>;

/** After the commit the world is told. Whatever is lost here, the reconciler says again. */
export function createAnnouncer({
  tickets,
  live,
  logs,
  logger,
}: {
  readonly tickets: Tickets;
  readonly live: Live;
  readonly logs?: LostLogs;
  readonly logger: Logger;
}): Announcer {
  const queues = new Map(QUEUE_NAMES.map((name) => [name, ticketQueue(name, tickets, logger)]));
  let turn = 0;
  const endLog = (log: LogKey): void => {
    logs?.endLost(log).then(
      (sizeBytes) => live.logGrew(log, sizeBytes),
      (err: unknown) => logger.warn({ err, ...log }, "The log of a lost step has no last line"),
    );
  };
  return {
    announce: ({ buildId, queuedJobs, lostLogs, publishId, statusId, publish }) => {
      // A ticket that is just being taken must not swallow the next one, so each has its own id.
      turn += 1;
      for (const log of lostLogs ?? []) endLog(log);
      for (const jobId of queuedJobs ?? []) queues.get("build")?.add(`${jobId}-a${turn}`);
      if (publishId !== undefined) queues.get("publish")?.add(`${publishId}-a${turn}`);
      if (statusId !== undefined) queues.get("report")?.add(`${statusId}-a${turn}`);
      if (buildId !== undefined) live.buildChanged(buildId);
      if (publish !== undefined) live.publishChanged(publish);
    },
  };
}

/** Sends what has come by now in one go, one batch at a time. */
function ticketQueue(name: QueueName, tickets: Tickets, logger: Logger) {
  let waiting: string[] = [];
  let isSending = false;
  const send = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, TICKETS_PER_TURN_MAX[name]);
      waiting = [];
      await tickets.addAll(name, batch).catch((err: unknown) => {
        logger.debug({ err, queue: name }, "Not announced now; the reconciler will");
      });
    }
    isSending = false;
  };
  return {
    add: (id: string): void => {
      waiting.push(id);
      if (isSending) return;
      isSending = true;
      setImmediate(() => void send());
    },
  };
}
