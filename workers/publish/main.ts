import { hostname } from "node:os";
import { openClock } from "../../src/shared/clock.ts";
import { readPublishWorkerConfig } from "../../src/shared/config.ts";
import { createLogger } from "../../src/shared/logger.ts";
import { PATHS } from "../../src/shared/protocol.ts";
import { consumeTickets } from "../../src/shared/queues.ts";
import { serverClient } from "../../src/shared/server-client.ts";
import { announceReady } from "../../src/shared/ready.ts";
import { installShutdown } from "../../src/shared/shutdown.ts";
import { startSettings } from "../../src/shared/start-settings.ts";
import { claimPublishes } from "./claim-publishes.ts";
import { openPublisher } from "./open-publisher.ts";

const SHUTDOWN_MS = 8_000;

// The server's user reads what we publish, and our children without rights what we examine.
process.umask(0o022);

const config = startSettings(readPublishWorkerConfig, { process: "publish", now: Date.now });
const logger = createLogger({ process: "publish", level: config.logLevel, now: Date.now });
const shutdown = installShutdown({ logger, deadlineMs: SHUTDOWN_MS });
const server = serverClient({ url: config.serverUrl, token: config.workerToken, logger });

const publisher = await openPublisher(
  {
    server,
    dataDir: config.dataDir,
    baseRepositories: config.baseRepositories,
    internalHosts: config.internalHosts,
    logger,
    clock: openClock(),
  },
  shutdown.signal,
);
// The same in each of its lives: one publish worker writes the yum folder of a host.
const worker = idOf(config.workerName || `publish-${hostname()}`);
await server.send({ path: PATHS.publishStarted(), json: { worker } }, shutdown.signal);
const claimer = claimPublishes(
  {
    server,
    worker,
    publish: publisher.publish,
    onUnannounced: () => consumer.foundUnannounced(),
  },
  shutdown.signal,
);
const consumer = consumeTickets({
  queue: "publish",
  redisUrl: config.redisUrl,
  logger,
  onTicket: claimer.takeAll,
});
void claimer.poll();

shutdown.onClose("publisher", publisher.close);
shutdown.onClose("publishes", claimer.idle);
shutdown.onClose("consumer", consumer.close);
logger.info({ fingerprint: publisher.fingerprint, worker }, "Publish worker is ready");
announceReady();

/** Names of hosts may have letters that an id may not. */
function idOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "-")
    .slice(0, 64);
}
