import { describe, expect, test } from "vitest";
import { OTHER_SHA, SHA, startLine, wish } from "../support/report-line.ts";
import { until } from "../support/until.ts";

describe("a forge that cannot now", () => {
  test.each([
    { kind: "status", status: 502 },
    { kind: "status", status: 500 },
    { kind: "reset" },
  ] as const)("%j: is tried again until it can", async (fault) => {
    await using line = await startLine();
    line.forge.api.inject({ fault, times: 2 });
    line.server.want({ ...wish, state: "success" });

    await line.reporter.claimAll();
    await until(line.kinds, ["later", "later", "sent"]);

    expect(line.states()).toEqual(["success"]);
    expect(line.server.answers[0]?.result).toMatchObject({
      afterMs: 1_000,
      wholeCredential: false,
    });
  });

  test("is left alone longer with each try, up to five minutes", async () => {
    await using line = await startLine({ random: 1 });
    line.forge.api.inject({ fault: { kind: "status", status: 500 }, times: 3 });
    for (const [index, tries] of [0, 4, 30].entries()) {
      line.server.want({ ...wish, sha: String(index).repeat(40), state: "pending", tries });
    }

    await line.reporter.claimAll();
    await until(line.kinds, ["later", "later", "later"]);

    const waits = line.server.answers
      .toSorted((a, b) => a.id.localeCompare(b.id))
      .map(({ result }) => (result.kind === "later" ? result.afterMs : 0));
    expect(waits).toEqual([2_000, 16_000, 300_000]);
  });

  test("that does not answer is given up after the time limit", async () => {
    await using line = await startLine({ timeoutMs: 100 });
    const { promise, resolve: release } = Promise.withResolvers<void>();
    line.forge.api.inject({ fault: { kind: "hold", until: promise } });
    line.server.want({ ...wish, state: "pending" });

    await line.reporter.claimAll();
    await until(() => line.kinds()[0], "later");
    release();

    expect(line.server.answers[0]?.result).toMatchObject({ wholeCredential: false });
  });

  test.each([
    { kind: "secondary-limit", retryAfterSeconds: 2 },
    { kind: "rate-limit", resetInSeconds: 2 },
    { kind: "status", status: 429, headers: { "retry-after": "2" } },
  ] as const)("%j: nothing is posted with the credential before the time", async (fault) => {
    await using line = await startLine();
    line.forge.api.inject({ fault });
    line.server.want({ ...wish, state: "success" });
    const askedAt = Date.now();
    await line.reporter.claimAll();
    await until(line.kinds, ["later"]);

    line.server.want({ ...wish, sha: OTHER_SHA, state: "success" });
    await line.reporter.claimAll();
    await until(() => line.forge.api.statuses.length, 2);

    const first = line.forge.api.statuses[0]?.at ?? 0;
    // GitHub's times are whole seconds, so the reset may be up to one second nearer.
    expect(first - askedAt).toBeGreaterThan(900);
    const [paused] = line.server.answers;
    expect(paused?.result).toMatchObject({ kind: "later", wholeCredential: true });
  });

  test("and was asked with rows in hand, is spared those rows too", async () => {
    await using line = await startLine();
    const limit = { kind: "secondary-limit", retryAfterSeconds: 600 } as const;
    line.forge.api.inject({ fault: limit, times: 1_000 });
    for (let index = 0; index < 100; index += 1) {
      const sha = index.toString(16).padStart(40, "0");
      line.server.want({ ...wish, sha, state: "success" });
    }

    await line.reporter.claimAll();
    await until(() => line.server.answers.length, 100);

    // No more than were under way when the first answer came.
    expect(line.forge.api.requestCount()).toBeLessThanOrEqual(16);
    expect(new Set(line.kinds())).toEqual(new Set(["later"]));
  });
});

describe("a status that was overtaken", () => {
  test("by a late pending is said again, so that the final state stands", async () => {
    // So much longer than what is only late.
    await using line = await startLine({ timeoutMs: 2_500 });
    const late = Promise.withResolvers<void>();
    line.forge.api.inject({ fault: { kind: "hold", until: late.promise }, method: "POST" });
    line.server.want({ ...wish, state: "pending" });
    await line.reporter.claimAll();
    await until(line.kinds, ["later"]);

    // The pending arrives between the final state and the look at what the forge shows.
    line.forge.api.inject({ fault: { kind: "delay", ms: 200 }, method: "GET" });
    line.server.want({ ...wish, state: "success" });
    void until(line.states, ["success"]).then(() => late.resolve());
    await until(line.kinds, ["later", "sent"]);

    expect(line.states()).toEqual(["success", "pending", "success"]);
  });

  test("because its answer was lost is the same state twice, and never a wrong one", async () => {
    await using line = await startLine();
    line.forge.api.inject({ fault: { kind: "keep-then-reset" }, method: "POST" });
    line.server.want({ ...wish, state: "failure" });

    await line.reporter.claimAll();
    await until(line.kinds, ["later", "sent"]);

    expect(line.states()).toEqual(["failure", "failure"]);
  });

  test("long after it was sent is found by a look, and only then said again", async () => {
    await using line = await startLine();
    line.server.want({ ...wish, state: "success" });
    line.server.want({ ...wish, sha: OTHER_SHA, state: "failure" });
    await line.reporter.claimAll();
    await until(line.kinds, ["sent", "sent"]);
    const { forge } = line;
    const body = JSON.stringify({ state: "pending", context: "tatara" });
    const headers = {
      authorization: `Bearer ${forge.statusToken}`,
      "content-type": "application/json",
    };
    await fetch(`${forge.apiUrl}/repos/acme/hello/statuses/${SHA}`, {
      method: "POST",
      headers,
      body,
    });

    line.server.want({ ...wish, state: "success", isCheck: true });
    line.server.want({ ...wish, sha: OTHER_SHA, state: "failure", isCheck: true });
    await line.reporter.claimAll();
    await until(line.kinds, ["sent", "sent", "sent", "sent"]);

    expect(line.states()).toEqual(["success", "pending", "success"]);
    expect(line.states(OTHER_SHA)).toEqual(["failure"]);
  });
});
