import { createHmac } from "node:crypto";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import express from "express";
import { describe, expect, test } from "vitest";
import type {
  IgnoredDelivery,
  Intake,
  IntakeDoor,
  IntakeResult,
} from "../../src/server/intake-types.ts";
import { receiveGithub } from "../../src/server/webhook/receive.ts";
import { createLogger } from "../../src/shared/logger.ts";
import { pushPayload, send, signedRequest, ZEROS } from "../support/github-deliveries.ts";
import type { SignedRequest } from "../support/github-deliveries.ts";
import { until } from "../support/until.ts";

const SECRET = "a-webhook-secret-of-32-characters";
const A = "a".repeat(40);
const B = "b".repeat(40);
const push = { repo: "acme/hello", ref: "refs/heads/main", before: A, after: B, sha: B };
const delivered = (facts = push) => signedRequest("push", pushPayload(facts), SECRET);

/** The real route in a real server; only what is behind the door is kept in memory. */
async function startRoute(
  options: {
    readonly secrets?: readonly string[];
    readonly repos?: readonly string[];
    readonly door?: Partial<IntakeDoor>;
    readonly bodyTimeoutMs?: number;
  } = {},
) {
  const accepted: Intake[] = [];
  const ignored: IgnoredDelivery[] = [];
  const numbers = new Map<string, number>();
  const lines: string[] = [];
  const app = express();
  app.disable("x-powered-by");
  app.post(
    "/webhooks/github",
    receiveGithub({
      secrets: options.secrets ?? [SECRET],
      repos: options.repos ?? ["*"],
      buildUrl: ({ repo, number }) => `https://ci.example.com/repos/${repo}/${number}`,
      logger: createLogger({
        process: "test",
        level: "debug",
        now: Date.now,
        write: (line) => void lines.push(line),
      }),
      ...(options.bodyTimeoutMs === undefined ? {} : { bodyTimeoutMs: options.bodyTimeoutMs }),
      accept: async (intake): Promise<IntakeResult> => {
        const { repo } = intake.push;
        const known = numbers.get(intake.deliveryId);
        if (known !== undefined) {
          const reason = "the same delivery";
          return { kind: "duplicate", buildId: `b${known}`, number: known, repo, reason };
        }
        accepted.push(intake);
        numbers.set(intake.deliveryId, accepted.length);
        const number = accepted.length;
        return { kind: "accepted", buildId: `b${number}`, repo, number, queued: true };
      },
      acceptPullRequest: () => Promise.reject(new Error("None is sent here.")),
      recordIgnored: async (delivery) => {
        ignored.push(delivery);
        return { kind: "ignored", reason: delivery.reason };
      },
      ...options.door,
    }),
  );
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}/webhooks/github`,
    accepted,
    ignored,
    lines,
    connections: () =>
      new Promise<number>((resolve) => void server.getConnections((_err, count) => resolve(count))),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

const withHeaders = (request: SignedRequest, headers: Record<string, string | undefined>) => ({
  ...request,
  headers: Object.fromEntries(
    Object.entries({ ...request.headers, ...headers }).filter(([, value]) => value !== undefined),
  ) as Record<string, string>,
});

/** Sends the head of a delivery and the first byte of its body. */
function beginPost(port: number, length: number): Socket {
  const headers = { ...delivered().headers, host: "x", "content-length": length };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = connect(port, "127.0.0.1");
  socket.write(`POST /webhooks/github HTTP/1.1\r\n${lines.join("")}\r\n{`);
  return socket;
}

describe("a signed push", () => {
  test("is accepted with its build's address", async () => {
    await using route = await startRoute();

    const answer = await send(route.url, delivered());

    expect(answer).toMatchObject({
      status: 202,
      body: {
        kind: "accepted",
        build: { id: "b1", number: 1, url: "https://ci.example.com/repos/acme/hello/1" },
        queued: true,
      },
    });
    expect(route.accepted).toMatchObject([
      { forge: "github", event: "push", deliveryId: answer.deliveryId, push: { sha: B } },
    ]);
    expect(route.accepted[0]?.bodyDigest).toMatch(/^[0-9a-f]{64}$/);
  });

  test("comes again and gets the existing build", async () => {
    await using route = await startRoute();
    const request = delivered();
    await send(route.url, request);

    const again = await send(route.url, request);

    expect(again).toMatchObject({
      status: 200,
      body: {
        kind: "duplicate",
        reason: "the same delivery",
        build: { id: "b1", number: 1, url: "https://ci.example.com/repos/acme/hello/1" },
      },
    });
  });

  test("of a deleted branch goes through the same door", async () => {
    await using route = await startRoute({
      door: { accept: async () => ({ kind: "ignored", reason: "branch deleted", buildId: "b7" }) },
    });

    const answer = await send(
      route.url,
      signedRequest("push", pushPayload({ ...push, after: ZEROS, sha: null }), SECRET),
    );

    expect(answer).toMatchObject({
      status: 200,
      body: { kind: "ignored", reason: "branch deleted", build: { id: "b7" } },
    });
  });

  test("with letters of every script keeps its signature and its text", async () => {
    await using route = await startRoute();
    const message = "Grüße, 世界 \u{1F525}";

    await send(route.url, signedRequest("push", pushPayload({ ...push, message }), SECRET));

    expect(route.accepted[0]?.push.message).toBe(message);
  });

  test("outside TATARA_REPOS leaves a row and is ignored", async () => {
    await using route = await startRoute({ repos: ["other/*", "!acme/hello"] });

    const answer = await send(route.url, delivered());

    const reason = "the repo is outside TATARA_REPOS";
    expect(answer).toMatchObject({ status: 200, body: { kind: "ignored", reason } });
    expect(route.ignored).toMatchObject([{ repo: "acme/hello", event: "push", reason }]);
    expect(route.accepted).toEqual([]);
  });

  test("that cannot be brought to disk gets no 2xx", async () => {
    await using route = await startRoute({
      door: {
        accept: async () => {
          throw new Error("disk full");
        },
      },
    });

    const answer = await send(route.url, delivered());

    expect(answer.status).toBe(503);
    expect(route.lines.join("")).toContain("disk full");
    expect(JSON.stringify(answer.body)).not.toContain("disk full");
  });
});

describe("other events", () => {
  test("a ping is answered and leaves a row", async () => {
    await using route = await startRoute();

    const answer = await send(route.url, signedRequest("ping", { zen: "Keep it simple." }, SECRET));

    expect(answer).toMatchObject({ status: 200, body: { kind: "ignored" } });
    expect(route.ignored).toMatchObject([{ event: "ping", repo: null }]);
  });

  test("what asks for no build is ignored without a row", async () => {
    await using route = await startRoute();

    const answer = await send(route.url, signedRequest("status", { state: "success" }, SECRET));

    const reason = "event status asks for no build";
    expect(answer).toMatchObject({ status: 200, body: { kind: "ignored", reason } });
    expect(route.ignored).toEqual([]);
  });

  test("a signed push that is none says which fields are wrong", async () => {
    await using route = await startRoute();

    const answer = await send(route.url, signedRequest("push", { ref: "refs/heads/x" }, SECRET));

    expect(answer.status).toBe(400);
    expect(String(answer.body["error"])).toContain("before");
    expect(route.ignored).toHaveLength(1);
  });

  test("a signed body that is not JSON is bad", async () => {
    await using route = await startRoute();

    const answer = await send(route.url, signedRequest("push", "{ not json", SECRET));

    expect(answer).toMatchObject({ status: 400, body: { error: "the body is not JSON" } });
  });
});

describe("the signature", () => {
  test("of another secret is refused", async () => {
    await using route = await startRoute();

    const answer = await send(route.url, signedRequest("push", pushPayload(push), "wrong"));

    expect(answer.status).toBe(401);
    expect([...route.accepted, ...route.ignored]).toEqual([]);
  });

  test("in the old SHA-1 header counts for nothing", async () => {
    await using route = await startRoute();

    const answer = await send(
      route.url,
      withHeaders(delivered(), { "x-hub-signature-256": undefined }),
    );

    expect(answer.status).toBe(401);
  });

  test("over SHA-1 in the new header counts for nothing either", async () => {
    await using route = await startRoute();
    const request = delivered();
    const sha1 = createHmac("sha1", SECRET).update(request.body).digest("hex");

    const answers = await Promise.all(
      [`sha1=${sha1}`, `sha256=${sha1}`, "", "sha256="].map((signature) =>
        send(route.url, withHeaders(request, { "x-hub-signature-256": signature })),
      ),
    );

    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
  });

  test("is good with the old and the new secret while one is rotated", async () => {
    await using route = await startRoute({ secrets: ["new-secret", SECRET] });

    const answers = await Promise.all(
      ["new-secret", SECRET, "retired"].map((secret) =>
        send(route.url, signedRequest("push", pushPayload(push), secret)),
      ),
    );

    expect(answers.map(({ status }) => status)).toEqual([202, 202, 401]);
  });

  test("cannot be checked without a secret, so the route is off", async () => {
    await using route = await startRoute({ secrets: [] });

    const answer = await send(route.url, delivered());

    expect(answer).toMatchObject({
      status: 503,
      body: { error: "TATARA_GITHUB_WEBHOOK_SECRET is not set" },
    });
  });
});

describe("the request", () => {
  test.each([
    [{ "x-github-delivery": undefined }, 400],
    [{ "x-github-delivery": "../../x" }, 400],
    [{ "x-github-delivery": "x".repeat(101) }, 400],
    [{ "x-github-event": undefined }, 400],
    [{ "x-github-event": "push\u00e9" }, 400],
    [{ "content-type": "application/x-www-form-urlencoded" }, 415],
    [{ "content-type": "text/plain" }, 415],
    [{ "content-type": "application/json; charset=utf-8" }, 202],
    [{ "content-encoding": "gzip" }, 415],
  ])("with %j is answered %i", async (headers, status) => {
    await using route = await startRoute();

    const answer = await send(route.url, withHeaders(delivered(), headers));

    expect(answer.status).toBe(status);
    expect(route.accepted).toHaveLength(status === 202 ? 1 : 0);
  });

  test("of 30 MB is answered 413 and kept nowhere", async () => {
    await using route = await startRoute();
    const before = process.memoryUsage().rss;

    const answer = await send(route.url, signedRequest("push", "x".repeat(30 * 2 ** 20), SECRET));

    expect(answer.status).toBe(413);
    expect(route.accepted).toEqual([]);
    // Sender and server share this process: its own 30 MB twice, and some room.
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 2 ** 20);
  });

  test("of 30 MB without a length is answered 413 too", async () => {
    await using route = await startRoute();

    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(route.url, { method: "POST", headers: delivered().headers });
      request.on("response", (response) => resolve(response.resume().statusCode));
      request.on("error", reject);
      for (let mebibyte = 0; mebibyte < 30; mebibyte += 1) request.write(Buffer.alloc(2 ** 20));
      request.end();
    });

    expect(status).toBe(413);
  });

  test("whose body trickles is answered 408 and closed, and others are unaffected", async () => {
    await using route = await startRoute({ bodyTimeoutMs: 300 });
    const socket = beginPost(route.port, 20_000);
    let answer = "";
    socket.on("data", (chunk) => (answer += String(chunk)));

    const other = await send(route.url, delivered());
    await once(socket, "close");

    expect(other.status).toBe(202);
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    expect(answer).toMatch(/connection: close/i);
  });

  test("that breaks off leaves nothing behind", async () => {
    await using route = await startRoute();
    const socket = beginPost(route.port, 20_000);
    await delay(50); // Long enough for the server to be reading.
    socket.destroy();

    await until(route.connections, 0);
    expect([...route.accepted, ...route.ignored]).toEqual([]);
    expect((await send(route.url, delivered())).status).toBe(202);
  });

  test("of many large bodies at once is bounded, and a push of usual size gets through", async () => {
    await using route = await startRoute({ bodyTimeoutMs: 2_000 });
    const sockets = Array.from({ length: 4 }, () => beginPost(route.port, 25 * 2 ** 20));
    const answers = sockets.map(async (socket) => {
      const [first] = (await once(socket, "data")) as [Buffer];
      return String(first).slice(9, 12);
    });
    await until(route.connections, 2);

    const push20k = await send(route.url, delivered());

    expect(push20k.status).toBe(202);
    const seen = await Promise.all(answers);
    expect(seen.filter((status) => status === "503")).toHaveLength(2);
    expect(seen.filter((status) => status === "408")).toHaveLength(2);
    for (const socket of sockets) socket.destroy();
  });

  test("is one of a hundred that come at the same time", async () => {
    await using route = await startRoute();
    const requests = Array.from({ length: 100 }, (_, index) => {
      const sha = index.toString(16).padStart(40, "0");
      return signedRequest("push", pushPayload({ ...push, after: sha, sha }), SECRET);
    });

    const answers = await Promise.all(requests.map((request) => send(route.url, request)));

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(route.accepted.map(({ push: { after } }) => after)).size).toBe(100);
  });
});
