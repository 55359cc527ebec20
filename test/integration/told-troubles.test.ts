import { expect, test } from "vitest";
import type { ReportAnswer, ReportGrant } from "../../src/shared/report-messages.ts";
import { pushPayload, send, signedRequest } from "../support/github-deliveries.ts";
import { aServer, type TestServer } from "../support/start-server.ts";

const SECRET = "the-webhook-secret-of-these-tests";
const SHA = "a".repeat(40);
const PUSH = {
  repo: "acme/hello",
  ref: "refs/heads/main",
  before: "0".repeat(40),
  after: SHA,
  sha: SHA,
  defaultBranch: "main",
} as const;

/** A server that has heard of one push, on a clock that the test moves. */
async function aPushedServer() {
  let aheadMs = 0;
  const settings = { TATARA_GITHUB_WEBHOOK_SECRET: SECRET, TATARA_SWEEP_SECONDS: "0" };
  const server = await aServer({ ...settings, TATARA_REPOS: "acme/*" }, () => Date.now() + aheadMs);
  const delivery = signedRequest("push", pushPayload(PUSH), SECRET);
  const { status } = await send(`${server.url}/webhooks/github`, delivery);
  expect(status).toBe(202);
  return {
    server,
    advance: (ms: number) => void (aheadMs += ms),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** The report worker takes what is due, and the forge answers so. */
async function report({ url }: TestServer, result: ReportAnswer["result"]): Promise<void> {
  const headers = {
    authorization: "Bearer a-report-token-for-tests",
    "content-type": "application/json",
  };
  const post = (path: string, body: object) =>
    fetch(`${url}/worker/v1/report/${path}`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
  const protocol = { lowest: 1, highest: 99 };
  const claimed = await post("claim", { worker: "r1", protocol, waitMs: 0 });
  const { rows } = (await claimed.json()) as ReportGrant;
  for (const { id, lease, version } of rows) {
    const answer: ReportAnswer = { lease, version, result };
    expect((await post(`${id}/answer`, answer)).status).toBeLessThan(300);
  }
}

const asAdmin = ({ adminToken }: TestServer) => ({ authorization: `Bearer ${adminToken}` });

async function told(server: TestServer) {
  const read = async (headers: Record<string, string>) =>
    (await (await fetch(`${server.url}/healthz`, { headers })).json()) as {
      status: string;
      warnings: string[];
    };
  const [reader, stranger] = [await read(asAdmin(server)), await read({})];
  const home = await (await fetch(server.url, { headers: asAdmin(server) })).text();
  return {
    status: stranger.status,
    reader: reader.warnings.join("\n"),
    stranger: stranger.warnings.join("\n"),
    home,
  };
}

test("a status that the forge refused for good is told: at /healthz, on the home page and at the build", async () => {
  await using held = await aPushedServer();
  const { server } = held;
  await report(server, { kind: "terminal", reason: "404: Not Found" });

  const { status, reader, stranger, home } = await told(server);

  expect(status).toBe("degraded");
  for (const text of [reader, home]) {
    expect(text).toContain(
      "refused for good in the last 7 days: 1; the last is acme/hello #1: 404",
    );
    expect(text).toContain("Check what the status token");
  }
  expect(stranger).toContain("refused for good in the last 7 days: 1.");
  expect(stranger).not.toContain("acme");
  const page = await fetch(`${server.url}/repos/acme/hello/1`, { headers: asAdmin(server) });
  expect(await page.text()).toContain("the forge refused it (404: Not Found)");
  const { builds } = await server.api<{ builds: { id: string }[] }>("/api/builds");
  expect(await server.api(`/api/builds/${builds[0]?.id ?? ""}`)).toMatchObject({
    refusedStatus: { state: "pending", reason: "404: Not Found" },
  });
});

test("a status that nobody posts is told after ten minutes", async () => {
  await using held = await aPushedServer();
  const { server } = held;
  expect((await told(server)).reader).not.toContain("commit status");

  held.advance(10 * 60_000 + 1_000);

  const { reader, stranger, home } = await told(server);
  for (const text of [reader, home]) {
    expect(text).toContain(
      "acme/hello: nobody has tried to post it. Look whether the report worker",
    );
  }
  expect(stranger).toContain("A commit status has waited for over 10 minutes (waiting: 1). Look");
  expect(stranger).not.toContain("acme");
});
