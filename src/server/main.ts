import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ConfigError, processEnv, readServerConfig } from "../shared/config.ts";
import { createLogger } from "../shared/logger.ts";
import { SHELL_PROTOCOL } from "../shared/shell-frames.ts";
import { announceReady } from "../shared/ready.ts";
import { installShutdown } from "../shared/shutdown.ts";
import { createIds } from "./ids.ts";
import { holdRequests, startServer } from "./server.ts";

const STOP_MS = 10_000;
/** A large push or package on a slow line takes a while; webhooks have a tighter limit of their own. */
const REQUEST_MS = 15 * 60_000;
const now = () => Date.now();
const newToken = () => randomBytes(32).toString("base64url");
const newId = createIds(randomBytes);

const logger = createLogger({ process: "server", level: "info", now });

async function main(): Promise<void> {
  const config = readServerConfig(processEnv());
  const shutdown = installShutdown({ logger, deadlineMs: STOP_MS });
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });

  // The port is taken first, so that addresses are known; nothing is answered before all is ready.
  const http = createServer({
    requestTimeout: REQUEST_MS,
    // Whoever offers another protocol beside plain HTTP means HTTP.
    shouldUpgradeCallback: ({ headers }) => headers.upgrade === SHELL_PROTOCOL,
  });
  const release = holdRequests(http);
  await new Promise<void>((resolve, reject) => {
    http.once("error", reject);
    http.listen(config.port, config.host, () => resolve());
  });
  const { port } = http.address() as AddressInfo;
  const host = config.host === "0.0.0.0" || config.host === "::" ? "127.0.0.1" : config.host;
  const url = `http://${host}:${port}`;

  const server = await startServer({
    config,
    logger,
    onBroken: (err) => {
      logger.error({ err }, "The disk refused a write; starting anew");
      shutdown.stop(70);
    },
    http,
    release,
    localUrl: url,
    now,
    newId,
    newToken,
  });
  shutdown.onClose("server", () => server.close());
  const { loginUrl, adminTokenFile } = server;
  announceReady({ url, loginUrl, adminTokenFile });
}

main().catch((err: unknown) => {
  if (err instanceof ConfigError) process.stderr.write(`${err.message}\n`);
  else logger.error({ err }, "The server could not start");
  process.exit(2);
});
