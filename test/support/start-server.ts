import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readServerConfig } from "../../src/shared/config.ts";
import { createLogger } from "../../src/shared/logger.ts";
import { holdRequests, startServer } from "../../src/server/server.ts";

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly adminToken: string;
  readonly buildToken: string;
  readonly publishToken: string;
  readonly reportToken: string;
  readonly loginUrl: string;
  readonly dataDir: string;
  /** The express app itself, to be asked for its routes. */
  readonly app: RequestListener;
  api<T>(path: string): Promise<T>;
}

/** The real server in this process, on a free port, with a data folder of its own and no Redis. */
export async function aServer(
  settings: Record<string, string> = {},
  now: () => number = Date.now,
): Promise<TestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-server-"));
  await mkdir(dataDir, { recursive: true });
  const adminToken = "an-admin-token-for-tests";
  const buildToken = "a-build-token-for-tests";
  const publishToken = "a-publish-token-for-tests";
  const reportToken = "a-report-token-for-tests";
  const config = readServerConfig({
    TATARA_DATA_DIR: dataDir,
    TATARA_ADMIN_TOKEN: adminToken,
    TATARA_BUILD_TOKEN: buildToken,
    TATARA_PUBLISH_TOKEN: publishToken,
    TATARA_REPORT_TOKEN: reportToken,
    // Nobody listens there: whatever these tests show holds without Redis.
    TATARA_REDIS_URL: `unix://${join(dataDir, "no-redis.sock")}`,
    ...settings,
  });
  const http = createServer();
  const release = holdRequests(http);
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const released = Promise.withResolvers<RequestListener>();
  const server = await startServer({
    config,
    onBroken: (err) => {
      throw err;
    },
    http,
    release: (app) => {
      released.resolve(app);
      release(app);
    },
    localUrl: url,
    logger: createLogger({ process: "server", level: "error", now }),
    now,
    newId: (prefix) => `${prefix}-${randomBytes(6).toString("hex")}`,
    newToken: () => randomBytes(32).toString("hex"),
  });
  return {
    url,
    adminToken,
    buildToken,
    publishToken,
    reportToken,
    dataDir,
    app: await released.promise,
    loginUrl: server.loginUrl,
    api: async <T>(path: string) => {
      const headers = { authorization: `Bearer ${adminToken}` };
      const response = await fetch(url + path, { headers });
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    },
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
