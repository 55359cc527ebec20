import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { openClock } from "../../src/shared/clock.ts";
import { readReportWorkerConfig } from "../../src/shared/config.ts";
import { githubForge } from "../../src/shared/forges/github.ts";
import { ownForge } from "../../src/shared/forges/own.ts";
import { createLogger } from "../../src/shared/logger.ts";
import { consumeTickets } from "../../src/shared/queues.ts";
import { ServerUnavailable, serverClient } from "../../src/shared/server-client.ts";
import { announceReady } from "../../src/shared/ready.ts";
import { installShutdown } from "../../src/shared/shutdown.ts";
import { startSettings } from "../../src/shared/start-settings.ts";
import { statusReporter } from "./report-status.ts";

const STOP_DEADLINE_MS = 9_000;
/** Statuses go out, only slower, while there is no Redis at all. */
const POLL_MS = 30_000;

const { now } = openClock();
const config = startSettings(readReportWorkerConfig, { process: "report", now: Date.now });
const logger = createLogger({ process: "report", level: config.logLevel, now: Date.now });
const shutdown = installShutdown({ logger, deadlineMs: STOP_DEADLINE_MS });
const { serverUrl, workerToken: token, githubApiUrl: apiUrl, githubStatusToken } = config;

const reporter = statusReporter(
  {
    client: serverClient({ url: serverUrl, token, logger }),
    worker: `${config.workerName || "report"}-${randomUUID().slice(0, 8)}`,
    forges: {
      own: ownForge({ serverUrl, token, now }),
      ...(githubStatusToken === undefined
        ? {}
        : { github: githubForge({ apiUrl, token: githubStatusToken, now }) }),
    },
    now: () => performance.now(),
    random: Math.random,
    logger,
  },
  shutdown.signal,
);
const consumer = consumeTickets({
  queue: "report",
  redisUrl: config.redisUrl,
  logger,
  onTicket: () => reporter.claimAll(),
});
// Together: the consumer waits for a claim, which waits for posts to end.
shutdown.onClose("reporting", async () => {
  await Promise.all([reporter.close(), consumer.close()]);
});
logger.info(
  { serverUrl, hasGithubToken: githubStatusToken !== undefined },
  "Report worker started",
);
announceReady();

while (!shutdown.signal.aborted) {
  await reporter.claimAll().catch((err: unknown) => {
    // The client tells it, once.
    if (err instanceof ServerUnavailable) return;
    logger.warn({ err }, "Statuses could not be claimed");
  });
  const pauseMs = POLL_MS * (0.75 + Math.random() / 2);
  await delay(pauseMs, undefined, { signal: shutdown.signal }).catch(() => {
    // Shutting down; the loop ends.
  });
}
