import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { vi } from "vitest";
import { buildAssets, type Assets } from "../../src/server/assets.ts";
import type { WebDeps } from "../../src/server/routes/web-deps.ts";
import { webRoutes } from "../../src/server/routes/web-routes.ts";
import { createLogger } from "../../src/shared/logger.ts";
import type { BuildView, LogKey, StepView } from "../../src/server/views.ts";
import { memoryLive, memoryReadStore } from "./memory-read-store.ts";
import { someDetails } from "./sample-changes.ts";
import { sampleChanges } from "./sample-channels.ts";
import { sampleRecords, type Sample } from "./sample-records.ts";
import { noTests } from "./no-tests.ts";

export const ADMIN_TOKEN = "admin-token-of-the-tests-0123456789";

/** The log of the step that runs in the sample. */
export const RUNNING_LOG: LogKey = {
  buildId: "bld-running",
  jobId: "job-r",
  attempt: 1,
  step: "unit",
};

export interface WebServer extends Sample, AsyncDisposable {
  readonly url: string;
  readonly live: ReturnType<typeof memoryLive>;
  /** What was asked of the actions, as `cancel bld-1 admin`. */
  readonly acts: string[];
  /** Ends every connection and listens no more; `comeBack` undoes it. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
}

let assets: Promise<Assets> | undefined;

/** The real pages and API on records in memory. */
export async function startWebServer(some: Partial<WebDeps> = {}): Promise<WebServer> {
  assets ??= buildAssets();
  const sample = sampleRecords(Date.now());
  const live = memoryLive();
  const acts: string[] = [];
  const used = new Set<string>();
  const ended = new Set<string>();
  const app = express();
  app.use(
    webRoutes({
      read: memoryReadStore(sample.records),
      logs: sample.logs,
      live,
      tests: noTests,
      logger: createLogger({ process: "test", level: "error", now: Date.now }),
      assets: await assets,
      now: Date.now,
      adminToken: ADMIN_TOKEN,
      anonymousRead: false,
      sessions: {
        redeemLink: (token) => {
          const isGood = token === "one-time" && !used.has(token);
          used.add(token);
          return Promise.resolve(isGood ? "browser-token" : undefined);
        },
        isValid: (token) => Promise.resolve(token === "browser-token" && !ended.has(token)),
        isEnded: (token) => Promise.resolve(ended.has(token)),
        end: (token) => Promise.resolve(void ended.add(token)),
      },
      publicUrlOf: (request) => `http://${request.get("host") ?? ""}`,
      keyFingerprint: () => Promise.resolve(sample.keyFingerprint),
      act: {
        cancel: (id, by) => {
          acts.push(`cancel ${id} ${by}`);
          return Promise.resolve("cancelling");
        },
        rerun: (id, by) => {
          acts.push(`rerun ${id} ${by}`);
          return Promise.resolve({ id: "bld-passed", number: 45 });
        },
      },
      workers: () => Promise.resolve([]),
      diskHealth: () => Promise.resolve({ problems: [] }),
      artifacts: { open: () => Promise.resolve(undefined) },
      changes: sampleChanges(sample.records),
      channelActions: {
        pin: (channel, { generation, isPinned }) => {
          acts.push(`${isPinned ? "pin" : "unpin"} ${channel} ${generation ?? 0}`);
          return Promise.resolve({ isPinned });
        },
      },
      packageDetails: () => Promise.resolve(someDetails()),
      ...some,
    }),
  );
  const standing = live.listeners();
  let server = await listen(app, 0);
  const { port } = server.address() as AddressInfo;
  const goAway = async (): Promise<void> => {
    const closed = Promise.withResolvers<void>();
    server.close(() => closed.resolve());
    server.closeAllConnections();
    await closed.promise;
  };
  return {
    ...sample,
    url: `http://127.0.0.1:${port}`,
    // What the server itself hears is no page's.
    live: { ...live, listeners: () => live.listeners() - standing },
    acts,
    goAway,
    comeBack: async () => void (server = await listen(app, port)),
    [Symbol.asyncDispose]: goAway,
  };
}

async function listen(app: express.Express, port: number): Promise<Server> {
  const server = createServer(app);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, "127.0.0.1", resolve);
  await promise;
  return server;
}

export function change(server: WebServer, id: string, how: (build: BuildView) => BuildView): void {
  const at = server.records.builds.findIndex((build) => build.id === id);
  const build = server.records.builds[at];
  if (build === undefined) throw new Error(`No build ${id}.`);
  server.records.builds[at] = how(build);
  server.live.buildChanged(id);
}

export function changeStep(server: WebServer, name: string, some: Partial<StepView>): void {
  change(server, "bld-running", (build) => ({
    ...build,
    jobs: build.jobs.map((job) => ({
      ...job,
      steps: job.steps.map((step) => (step.name === name ? { ...step, ...some } : step)),
    })),
  }));
}

export async function print(server: WebServer, text: string): Promise<void> {
  const size = await server.logs.sizeOf(RUNNING_LOG);
  const bytes = new TextEncoder().encode(text);
  await server.logs.append(RUNNING_LOG, size, bytes);
  server.live.logGrew(RUNNING_LOG, size + bytes.length);
}

/** Waits until so many pages listen. Each does twice: for builds, and for logs or for publishes. */
export async function streaming(server: WebServer, pages: number): Promise<void> {
  await vi.waitUntil(() => server.live.listeners() >= 2 * pages, { timeout: 120_000 });
}
