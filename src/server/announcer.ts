import type { Logger } from "../shared/logger.ts";
import type { Tickets } from "../shared/queues.ts";
import type { Changed } from "./store/builds.ts";
import type { Live } from "./views.ts";

export interface Announcer {
  /** Tells queues and pages about a change that is on disk. Never throws: it is only a hint. */
  announce(changed: Changed): void;
}

/** After the commit the world is told. Whatever is lost here, the reconciler says again. */
export function createAnnouncer({
  tickets,
  live,
  logger,
}: {
  readonly tickets: Tickets;
  readonly live: Live;
  readonly logger: Logger;
}): Announcer {
  const add = (queue: "build" | "publish" | "report", id: string): void => {
    tickets.add(queue, id).catch((err: unknown) => {
      logger.debug({ err, queue }, "Not announced now; the reconciler will");
    });
  };
  let turn = 0;
  return {
    announce: ({ buildId, queuedJobs, publishId, statusId }) => {
      // A ticket that is just being taken must not swallow the next one, so each has its own id.
      turn += 1;
      for (const jobId of queuedJobs ?? []) add("build", `${jobId}-a${turn}`);
      if (publishId !== undefined) add("publish", `${publishId}-a${turn}`);
      if (statusId !== undefined) add("report", `${statusId}-a${turn}`);
      live.buildChanged(buildId);
    },
  };
}
