import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express from "express";
import { expect, test } from "vitest";
import { testReportRoutes } from "../../src/server/routes/test-report-routes.ts";
import { readStore } from "../../src/server/store/read.ts";
import { testReads } from "../../src/server/store/test-reads.ts";
import { LEASE_HEADER, PATHS } from "../../src/shared/protocol.ts";
import { aStore } from "../support/a-store.ts";
import { tataraAt } from "../support/run-tatara.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { aRunningJob } from "../support/store-rig.ts";
import { aFailure, aReport, aResult } from "../support/test-reports.ts";
import { ADMIN_TOKEN, startWebServer } from "../support/web-server.ts";

const WORKER_TOKEN = "a-build-token-for-tests";
const BEARER = { authorization: `Bearer ${ADMIN_TOKEN}` };

/** The workers' route and everything that people see, on one real database. */
async function aTestServer() {
  const held = await aStore();
  const { store } = held;
  const announced: string[] = [];
  const app = express();
  app.use(
    testReportRoutes({
      store,
      announcer: { announce: ({ buildId }) => void announced.push(buildId ?? "") },
      logger: silentLogger,
      token: WORKER_TOKEN,
    }),
  );
  const http = createServer(app).listen(0, "127.0.0.1");
  await once(http, "listening");
  const workers = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const web = await startWebServer({
    read: readStore(store, { liveSince: () => 0 }),
    tests: testReads(store),
  });
  return {
    store,
    announced,
    web,
    tell: (path: string, lease: string, body: unknown, token = WORKER_TOKEN) =>
      fetch(workers + path, {
        method: "POST",
        headers: {
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          [LEASE_HEADER]: lease,
        },
        body: JSON.stringify(body),
      }),
    page: async (path: string) => {
      const headers = { ...BEARER, accept: "text/html" };
      const response = await fetch(web.url + path, { headers });
      return { status: response.status, text: await response.text() };
    },
    json: async (path: string) =>
      (await (await fetch(web.url + path, { headers: BEARER })).json()) as Record<string, unknown>,
    [Symbol.asyncDispose]: async () => {
      http.close();
      await web[Symbol.asyncDispose]();
      await held[Symbol.asyncDispose]();
    },
  };
}

const REPORT = aReport(
  [aResult(), aFailure("greets an empty name"), aResult({ name: "shouts", state: "skipped" })],
  { coverage: { linesCovered: 3, linesTotal: 4 } },
);

test("what a worker tells is on the build's page, the tests pages, the API and the command line", async () => {
  await using server = await aTestServer();
  const job = await aRunningJob(server.store);
  const path = PATHS.reports(job.jobId, "test");

  const answer = await server.tell(path, job.token, REPORT);
  const again = await server.tell(path, job.token, REPORT);

  expect([answer.status, again.status]).toEqual([200, 200]);
  expect(server.announced).toEqual([job.buildId]);
  const build = await server.json(`/api/builds/${job.buildId}`);
  expect(build["tests"]).toMatchObject({
    passed: 1,
    failed: 1,
    skipped: 1,
    coverage: { percent: 75, change: null },
    steps: [{ step: "test", files: ["out/junit.xml"] }],
  });
  const tests = await server.json(`/api/builds/${job.buildId}/tests`);
  expect(tests).toMatchObject({
    number: 1,
    url: `${server.web.url}/repos/acme/hello/1/tests`,
    failed: [{ title: "greets an empty name", file: "test/greet.test.ts", line: 41 }],
    hasMore: false,
  });
  expect(await server.json("/api/repos/acme/hello/builds/1/tests")).toEqual(tests);
  expect(await server.json("/api/repos/acme/hello/tests?q=shouts")).toMatchObject({
    branch: "refs/heads/main",
    tests: [{ name: "shouts", state: "skipped" }],
  });
  expect((await server.page("/repos/acme/hello/1")).text).toContain("1 of 3 failed");
  expect((await server.page("/repos/acme/hello/1/tests")).text).toContain("test/greet.test.ts:41");
  expect((await server.page("/repos/acme/hello/tests")).text).toContain("Failing most often");

  const tatara = tataraAt({ url: server.web.url, adminToken: ADMIN_TOKEN });
  const said = await tatara(["tests", "acme/hello/1"]);
  expect(said).toMatchObject({ code: 0 });
  expect(said.stdout).toMatch(
    /failed {2}greets an empty name {2}0\.0s {2}new {2}test\/greet\.test\.ts:41/,
  );
  expect(said.stdout).toContain("1 failed, 1 passed, 1 skipped in 0.0s, coverage 75.0 %");
  const filtered = await tatara(["tests", "acme/hello/1", "--filter", "by name"]);
  expect(filtered.stdout).toMatch(/^ {2}ok {6}greets by name/m);
});

test("only the lease's holder may tell, and only what the protocol knows", async () => {
  await using server = await aTestServer();
  const job = await aRunningJob(server.store);
  const path = PATHS.reports(job.jobId, "test");

  const stranger = await server.tell(path, job.token, REPORT, "another-token");
  const stale = await server.tell(path, "an-old-lease-token", REPORT);

  expect([stranger.status, stale.status]).toEqual([401, 409]);
  expect((await server.json(`/api/builds/${job.buildId}`))["tests"]).toBeNull();
});

test("builds and repos that are not there, and strangers, get no tests", async () => {
  await using server = await aTestServer();
  await aRunningJob(server.store);

  const statuses = await Promise.all(
    ["/repos/acme/hello/9/tests", "/repos/no/repo/tests", "/repos/acme/hello/1/tests"].map(
      async (path) => (await server.page(path)).status,
    ),
  );

  expect(statuses).toEqual([404, 404, 200]);
  for (const path of ["/api/builds/none/tests", "/api/repos/no/repo/tests"]) {
    expect(await server.json(path)).toHaveProperty("error");
    expect((await fetch(server.web.url + path)).status).toBe(401);
  }
});
