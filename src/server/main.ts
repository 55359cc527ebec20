import { randomBytes } from "node:crypto";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { ConfigError, readServerConfig } from "../shared/config.ts";
import type { ServerConfig } from "../shared/config.ts";
import { openClock } from "../shared/clock.ts";
import { armFailpoints, parseFailpoints } from "../shared/failpoints.ts";
import { diskRefusal } from "../shared/disk-errors.ts";
import { makeFolder } from "../shared/durable.ts";
import { createLogger } from "../shared/logger.ts";
import { SHELL_PROTOCOL } from "../shared/shell-frames.ts";
import { announceReady } from "../shared/ready.ts";
import { installShutdown } from "../shared/shutdown.ts";
import { REFUSED_CODE, startSettings } from "../shared/start-settings.ts";
import { createIds } from "./ids.ts";
import { holdRequests, startServer } from "./server.ts";
import { refuseEverything, untilWritable } from "./sick.ts";
import { DatabaseUnusable } from "./store/inspect-database.ts";
import { lockData } from "./store/server-lock.ts";

const STOP_MS = 10_000;
/** Whoever supervises us starts us again. */
const RESTART_CODE = 75;
/** A large push or package on a slow line takes a while; webhooks have a tighter limit of their own. */
const REQUEST_MS = 15 * 60_000;
const { now } = openClock();
const newToken = () => randomBytes(32).toString("base64url");
const newId = createIds(randomBytes);

const logger = createLogger({ process: "server", level: "info", now: Date.now });

async function main(): Promise<void> {
  const config = startSettings(readServerConfig, { process: "server", now });
  armFailpoints(parseFailpoints(config.failpoints), (point) => {
    logger.warn({ ...point }, "Failpoint reached");
  });
  const shutdown = installShutdown({ logger, deadlineMs: STOP_MS });
  await makeFolder(config.dataDir, 0o700);
  const lock = lockData(config.dataDir, { pid: process.pid, now });
  shutdown.onClose("lock", () => lock.release());

  // The port is taken first, so that addresses are known; nothing is answered before all is ready.
  const http = createServer({
    requestTimeout: REQUEST_MS,
    // Whoever offers another protocol beside plain HTTP means HTTP.
    shouldUpgradeCallback: ({ headers }) => headers.upgrade === SHELL_PROTOCOL,
  });
  const release = holdRequests(http);
  await new Promise<void>((resolve, reject) => {
    http.once("error", (err) => reject(portRefused(err, config)));
    http.listen(config.port, config.host, () => resolve());
  });
  const { port } = http.address() as AddressInfo;
  const host = config.host === "0.0.0.0" || config.host === "::" ? "127.0.0.1" : config.host;
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  lock.tellAddress(url);

  const starting = startServer({
    config,
    logger,
    onBroken: (err) => {
      logger.error({ err }, "The disk failed a write of the database; starting anew");
      shutdown.abandon();
    },
    http,
    release,
    localUrl: url,
    now,
    newId,
    newToken,
  });
  const server = await starting.catch((err: unknown) => waitForDisk(err, config, release));
  shutdown.onClose("server", () => server.close());
  const { loginUrl, adminTokenFile } = server;
  announceReady({ url, loginUrl, adminTokenFile });
}

function portRefused(cause: Error, { host, port }: ServerConfig): Error {
  const hint = "Stop what listens there, or set TATARA_PORT.";
  return new ConfigError([`TATARA_PORT=${port} on ${host}: ${cause.message}. ${hint}`]);
}

/** A disk that takes no writes must not look like a dead server: all are told, then it starts anew. */
async function waitForDisk(
  err: unknown,
  { dataDir }: ServerConfig,
  release: (app: RequestListener) => void,
): Promise<never> {
  if (diskRefusal(err) === undefined) throw err;
  logger.error({ err }, "The disk takes no writes; waiting for it");
  release(refuseEverything(err, dataDir));
  await untilWritable(dataDir);
  process.exit(RESTART_CODE);
}

main().catch((err: unknown) => {
  const isForPeople = err instanceof ConfigError || err instanceof DatabaseUnusable;
  if (isForPeople) process.stderr.write(`${err.message}\n`);
  else logger.error({ err }, "The server could not start");
  process.exit(isForPeople ? REFUSED_CODE : 1);
});
