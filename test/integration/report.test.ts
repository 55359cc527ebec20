import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createLogger } from "../../src/shared/logger.ts";
import { openTickets } from "../../src/shared/queues.ts";
import { startRedis } from "../support/a-redis.ts";
import { startForgeDouble } from "../support/forge-double.ts";
import { OTHER_SHA, SHA, startLine, startReporter, wish } from "../support/report-line.ts";
import { startReportServer } from "../support/report-server.ts";
import { until } from "../support/until.ts";

describe("what the outbox wants said", () => {
  test("is posted as GitHub's schema asks, and answered", async () => {
    await using line = await startLine();
    line.server.want({ ...wish, state: "pending", description: "queued" });

    await line.reporter.claimAll();
    await until(line.kinds, ["sent"]);

    expect(line.forge.api.statuses).toMatchObject([
      {
        repo: "acme/hello",
        sha: SHA,
        context: "tatara",
        state: "pending",
        description: "queued",
        targetUrl: "https://ci.example.com/repos/acme/hello/1",
      },
    ]);
  });

  test("goes out newest state last, one at a time", async () => {
    await using line = await startLine();

    for (const state of ["pending", "success"] as const) {
      line.server.want({ ...wish, state });
      await line.reporter.claimAll();
      await until(() => line.states().at(-1), state);
      await until(() => line.server.row(wish).leased, false);
    }

    expect(line.states()).toEqual(["pending", "success"]);
    expect(line.forge.api.mostAtOncePerKey()).toBe(1);
  });

  test("for one commit and context is never under way twice, even if granted twice", async () => {
    await using line = await startLine();
    const { promise: until1, resolve: release } = Promise.withResolvers<void>();
    line.forge.api.inject({ fault: { kind: "hold", until: until1 }, path: SHA });
    line.server.want({ ...wish, state: "pending" });
    line.server.wantAtOnce({ ...wish, state: "success" });
    line.server.want({ ...wish, sha: OTHER_SHA, state: "success" });

    await line.reporter.claimAll();
    await until(() => line.states(OTHER_SHA), ["success"]);
    expect(line.states()).toEqual([]);
    release();
    await until(line.states, ["pending", "success"]);

    expect(line.forge.api.mostAtOncePerKey()).toBe(1);
  });

  test("reaches many commits at once", async () => {
    await using line = await startLine();
    const shas = Array.from({ length: 100 }, (_, index) => index.toString(16).padStart(40, "0"));
    for (const sha of shas) line.server.want({ ...wish, sha, state: "success" });

    await line.reporter.claimAll();
    await until(() => line.server.answers.length, 100);

    expect(new Set(line.forge.api.statuses.map(({ sha }) => sha))).toEqual(new Set(shas));
  });

  test("is cut to the 140 characters that GitHub takes", async () => {
    await using line = await startLine();
    line.server.want({ ...wish, state: "failure", description: "\u{1F525}".repeat(200) });

    await line.reporter.claimAll();
    await until(line.kinds, ["sent"]);

    expect([...(line.forge.api.statuses[0]?.description ?? "")]).toHaveLength(140);
  });

  test("for the own remote goes to the server in GitHub's shape", async () => {
    await using line = await startLine({ token: undefined });
    line.server.want({ ...wish, forge: "own", state: "success", description: "passed" });

    await line.reporter.claimAll();
    await until(line.kinds, ["sent"]);

    expect(line.server.ownStatuses).toEqual([
      {
        path: `/api/repos/acme/hello/statuses/${SHA}`,
        body: {
          state: "success",
          context: "tatara",
          description: "passed",
          target_url: "https://ci.example.com/repos/acme/hello/1",
        },
      },
    ]);
  });

  test("is answered once the server is back", async () => {
    await using line = await startLine();
    const { promise: until1, resolve: release } = Promise.withResolvers<void>();
    line.forge.api.inject({ fault: { kind: "hold", until: until1 } });
    line.server.want({ ...wish, state: "pending" });
    await line.reporter.claimAll();
    line.server.isAway = true;
    release();
    await until(line.states, ["pending"]);

    line.server.isAway = false;

    await until(line.kinds, ["sent"]);
    expect(line.states()).toEqual(["pending"]);
  });
});

describe("a forge that refuses", () => {
  test("the credential parks what it was asked for, until the repair", async () => {
    await using line = await startLine();
    line.forge.api.setStatusToken("a-new-token");
    line.server.want({ ...wish, state: "success" });
    await line.reporter.claimAll();
    await until(line.kinds, ["parked"]);
    // Said after the server was told.
    await until(() => line.reporter.lines.join("").includes('"level":"error"'), true);

    line.server.unpark();
    await using repaired = startReporter(line, { token: "a-new-token" });
    await repaired.claimAll();

    await until(line.states, ["success"]);
  });

  test("is not asked again for each row that was claimed with the first", async () => {
    await using line = await startLine({ token: "revoked" });
    for (let index = 0; index < 50; index += 1) {
      const sha = index.toString(16).padStart(40, "0");
      line.server.want({ ...wish, sha, state: "success" });
    }

    await line.reporter.claimAll();
    await until(() => line.server.answers.length, 50);

    expect(line.forge.api.requestCount()).toBeLessThanOrEqual(16);
    expect(new Set(line.kinds())).toEqual(new Set(["parked"]));
  });

  test("is no matter for another forge", async () => {
    await using line = await startLine({ token: undefined });
    line.server.want({ ...wish, state: "success" });
    line.server.want({ ...wish, sha: OTHER_SHA, forge: "own", state: "success" });

    await line.reporter.claimAll();
    await until(() => line.server.answers.length, 2);

    expect(line.server.row(wish).end).toEqual({
      kind: "parked",
      reason: "TATARA_GITHUB_STATUS_TOKEN is not set for the report worker",
    });
    expect(line.server.row({ sha: OTHER_SHA }).sentVersion).toBe(1);
    expect(line.forge.api.requestCount()).toBe(0);
  });

  test.each([404, 410, 422])("with %i ends the wish with the reason", async (status) => {
    await using line = await startLine();
    line.forge.api.inject({ fault: { kind: "status", status } });
    line.server.want({ ...wish, state: "success" });

    await line.reporter.claimAll();
    await until(line.kinds, ["terminal"]);

    expect(line.server.row(wish).end?.reason).toContain(`${status}: Injected ${status}`);
  });

  test("after a thousand statuses ends the wish with the forge's words", async () => {
    await using line = await startLine();
    const url = `${line.forge.apiUrl}/repos/acme/hello/statuses/${SHA}`;
    const headers = {
      authorization: `token ${line.forge.statusToken}`,
      "content-type": "application/json",
    };
    const body = JSON.stringify({ state: "pending", context: "tatara" });
    for (let count = 0; count < 1_000; count += 1) {
      await (await fetch(url, { method: "POST", headers, body })).text();
    }
    line.server.want({ ...wish, state: "success" });

    await line.reporter.claimAll();
    await until(line.kinds, ["terminal"]);

    expect(line.server.row(wish).end?.reason).toContain("maximum number of statuses");
  });

  test("for a commit that it does not have ends the wish", async () => {
    await using forge = await startForgeDouble();
    await using server = await startReportServer();
    await using reporter = startReporter({ forge, server });
    await forge.addRepo("acme/hello");
    server.want({ ...wish, state: "success" });
    server.want({ ...wish, repo: "acme/gone", sha: OTHER_SHA, state: "success" });

    await reporter.claimAll();
    await until(() => server.answers.length, 2);

    expect(server.row(wish).end?.reason).toContain("No commit found for SHA");
    expect(server.row({ sha: OTHER_SHA }).end?.reason).toContain("404");
  });
});

describe("a repo that was renamed", () => {
  test("is followed on the same host", async () => {
    await using line = await startLine();
    const location = `${line.forge.apiUrl}/repos/acme/renamed/statuses/${SHA}`;
    line.forge.api.inject({ fault: { kind: "moved", location } });
    line.server.want({ ...wish, state: "pending" });

    await line.reporter.claimAll();
    await until(line.kinds, ["sent"]);

    expect(line.forge.api.statuses[0]).toMatchObject({ repo: "acme/renamed", state: "pending" });
  });

  test("is not followed to another host, which never sees the credential", async () => {
    await using line = await startLine();
    let seen = 0;
    const other = createServer((_request, response) => {
      seen += 1;
      response.end();
    }).listen(0, "127.0.0.1");
    await once(other, "listening");
    const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/x`;
    line.forge.api.inject({ fault: { kind: "moved", location } });
    line.server.want({ ...wish, state: "pending" });

    await line.reporter.claimAll();
    await until(line.kinds, ["terminal"]);
    other.close();

    expect(seen).toBe(0);
  });
});

describe("stopping", () => {
  test("lets a post that is under way end, and hands the rest back at once", async () => {
    await using line = await startLine();
    line.forge.api.inject({ fault: { kind: "delay", ms: 300 } });
    line.server.want({ ...wish, state: "pending" });
    line.server.wantAtOnce({ ...wish, state: "success" });
    await line.reporter.claimAll();
    await until(() => line.forge.api.requestCount(), 1);

    await line.reporter.close();

    expect(line.states()).toEqual(["pending"]);
    expect(line.server.answers.map(({ result }) => result)).toMatchObject([
      { kind: "sent" },
      { kind: "later", afterMs: 0, wholeCredential: false },
    ]);
  });

  test("does not wait for a forge that hangs", async () => {
    await using line = await startLine();
    const { promise, resolve: release } = Promise.withResolvers<void>();
    line.forge.api.inject({ fault: { kind: "hold", until: promise } });
    line.server.want({ ...wish, state: "pending" });
    await line.reporter.claimAll();
    await until(() => line.forge.api.requestCount(), 1);

    // Before the forge answers.
    await line.reporter.close();
    release();

    expect(line.server.answers).toEqual([]);
  });
});

describe("the process", () => {
  test("hears tickets, and ends on SIGTERM within its deadline", async () => {
    await using server = await startReportServer();
    await using redis = await startRedis();
    const worker = spawn(process.execPath, ["workers/report/main.ts"], {
      cwd: join(import.meta.dirname, "../.."),
      env: {
        TATARA_SERVER_URL: server.url,
        TATARA_WORKER_TOKEN: server.token,
        TATARA_REDIS_URL: redis.url,
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const log: string[] = [];
    worker.stderr.on("data", (chunk) => void log.push(String(chunk)));
    const exited = once(worker, "exit");
    await until(() => server.claimCount > 0, true);

    server.want({ ...wish, forge: "own", state: "success" });
    const tickets = openTickets({
      redisUrl: redis.url,
      logger: quietLogger(),
      onConnect: () => {},
    });
    await until(
      () =>
        tickets.add("report", "row-1").then(
          () => true,
          () => false,
        ),
      true,
    );
    await until(() => server.row(wish).sentVersion, 1, { deadlineMs: 60_000 });
    await tickets.close();
    worker.kill("SIGTERM");
    const [code] = (await exited) as [number | null];

    // Past its deadline it ends itself with another status.
    expect(code, log.join("")).toBe(0);
    expect(log.join("")).not.toContain(server.token);
  });
});

function quietLogger() {
  return createLogger({ process: "test", level: "error", now: Date.now });
}
