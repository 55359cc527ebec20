import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { buildGrant } from "../../src/shared/build-messages.ts";
import { LEASE_HEADER, PATHS, PROTOCOL } from "../../src/shared/protocol.ts";
import { pushPayload, send, signedRequest } from "../support/github-deliveries.ts";
import { tataraAt } from "../support/run-tatara.ts";
import { aServer, type TestServer } from "../support/start-server.ts";

const SECRET = "the-webhook-secret-of-this-test";

/** A server with `pushes` builds that wait, and workers that are nothing but their requests. */
async function aQueue(pushes: number) {
  const server = await aServer({ TATARA_GITHUB_WEBHOOK_SECRET: SECRET });
  for (let number = 1; number <= pushes; number += 1) {
    const sha = String(number).repeat(40);
    const push = { repo: "acme/hello", ref: "refs/heads/main", before: "e".repeat(40), after: sha };
    const request = signedRequest("push", pushPayload({ ...push, sha }), SECRET);
    expect(await send(`${server.url}/webhooks/github`, request)).toMatchObject({ status: 202 });
  }
  const post = (path: string, body: unknown, lease = "") =>
    fetch(server.url + path, {
      method: "POST",
      headers: {
        authorization: `Bearer ${server.buildToken}`,
        "content-type": "application/json",
        [LEASE_HEADER]: lease,
      },
      body: JSON.stringify(body),
    });
  const claim = async (worker: string, protocol: object = PROTOCOL) => {
    const json = { worker, protocol, version: "0.1.0", slots: 2 };
    const response = await post(PATHS.buildClaim(), json);
    return response.status === 200 ? buildGrant.parse(await response.json()) : response.status;
  };
  const granted = async (worker: string) => {
    const grant = await claim(worker);
    if (typeof grant === "number") throw new Error(`Nothing was granted: ${grant}`);
    return grant;
  };
  const beat = async ({ jobId, lease }: { jobId: string; lease: { token: string } }) =>
    (await post(PATHS.heartbeat(jobId), {}, lease.token)).status;
  return { server, claim, granted, beat, tatara: tataraAt(server) };
}

const workersOf = async (server: TestServer) =>
  (await server.api<{ workers: readonly Record<string, unknown>[] }>("/api/workers")).workers;
const jobOf = async (server: TestServer, number: number) => {
  const build = await server.api<{ jobs: { state: string; attempt: number; reason: string }[] }>(
    `/api/repos/acme/hello/builds/${number}`,
  );
  return build.jobs[0];
};

const DRAINED = "its worker is drained: w-1; tatara worker resume w-1";

test("a drained worker gets nothing more, what it runs goes on, and others get the rest", async () => {
  const { server, claim, granted, beat, tatara } = await aQueue(3);
  await using _server = server;
  const held = await granted("w-1");

  const drained = await tatara(["worker", "drain", "w-1", "--no-wait", "--note", "disk swap"]);

  expect(drained).toMatchObject({ code: 0 });
  expect(drained.stdout).toBe("w-1: 1 left, handed back in 60 min at the latest (disk swap)\n");
  expect(await claim("w-1")).toBe(204);
  expect(await beat(held)).toBe(200);
  expect(await claim("w-2")).toMatchObject({ build: { number: 2 } });
  expect(await workersOf(server)).toMatchObject([
    { id: "w-1", state: "draining", running: 1, note: "disk swap", slots: 2, version: "0.1.0" },
    { id: "w-2", state: "working", says: "1 running" },
  ]);
  const { warnings } = await server.api<{ warnings: readonly string[] }>("/healthz");
  expect(warnings.join("\n")).toContain("worker w-1 is drained and takes nothing: 1 left");
  // Who may not read pages learns that there is something, and no name or note.
  const strangers = (await (await fetch(`${server.url}/healthz`)).json()) as { warnings: unknown };
  expect(strangers.warnings).toContain("a worker is drained and takes nothing");
  expect(JSON.stringify(strangers)).not.toMatch(/w-1|disk swap|\/tmp/);
  const queue = await tatara(["queue"]);
  expect(queue.stderr).toContain("worker w-1 draining: 1 left");
});

test("drain --now hands back what runs: queued again, not counted, and its lease is void", async () => {
  const { server, claim, granted, beat, tatara } = await aQueue(1);
  await using _server = server;
  const held = await granted("w-1");

  const drained = await tatara(["worker", "drain", "w-1", "--now"]);

  expect(drained.stdout).toBe("w-1: safe to reboot\n");
  expect(await beat(held)).toBe(409);
  expect(await jobOf(server, 1)).toMatchObject({ state: "queued", attempt: 1 });
  expect(await claim("w-1")).toBe(204);
  expect(await jobOf(server, 1)).toMatchObject({ reason: DRAINED, waiting: { reason: DRAINED } });
  expect((await tatara(["queue"])).stdout).toContain(DRAINED);
  expect(await claim("w-2")).toMatchObject({ lease: { attempt: 2 } });
  // What is said of the new attempt is why the former one ended, whatever it waited for meanwhile.
  expect(await jobOf(server, 1)).toMatchObject({
    state: "running",
    attempt: 2,
    lostAttempts: [
      { attempt: 1, isHandedBack: true, reason: "worker w-1 was drained", worker: "w-1" },
    ],
  });

  expect((await tatara(["worker", "resume", "w"])).code).toBe(3); // Two begin so.
  expect(await tatara(["worker", "resume", "w-1"])).toMatchObject({ code: 0 });
  expect(await workersOf(server)).toMatchObject([{ id: "w-1", state: "working" }, { id: "w-2" }]);
});

test("four drains in a row cost a job none of its three attempts", async () => {
  const { server, granted, tatara } = await aQueue(1);
  await using _server = server;
  for (let round = 1; round <= 4; round += 1) {
    expect(await granted("w-1")).toMatchObject({ lease: { attempt: round } });
    await tatara(["worker", "drain", "w-1", "--now"]);
    await tatara(["worker", "resume", "w-1"]);
  }

  expect(await jobOf(server, 1)).toMatchObject({ state: "queued" });
});

test("a worker that is too old gets no job and is shown with what to do", async () => {
  const { server, claim, tatara } = await aQueue(1);
  await using _server = server;

  expect(await claim("old-1", { lowest: 1, highest: PROTOCOL.lowest - 1 })).toBe(426);

  expect(await workersOf(server)).toMatchObject([{ id: "old-1", state: "too-old" }]);
  const { stdout } = await tatara(["worker"]);
  expect(stdout).toMatch(
    /^ {2}old-1 {3}build {5}too-old {4}upgrade needed: it speaks protocols 1 to /,
  );
  const { warnings } = await server.api<{ warnings: readonly string[] }>("/healthz");
  expect(warnings.join("\n")).toContain("worker old-1: upgrade needed");
  expect(await claim("new-1", { ...PROTOCOL, highest: PROTOCOL.highest + 1 })).toMatchObject({
    build: { number: 1 },
  });
});

test("nobody is drained by a wrong name", async () => {
  const { server, granted, tatara } = await aQueue(1);
  await using _server = server;
  await granted("w-1");

  const { code, stderr } = await tatara(["worker", "drain", "x-1"]);

  expect({ code, stderr }).toEqual({
    code: 3,
    stderr: "There is no worker x-1.\n  there are: w-1\n",
  });
  const page = await fetch(`${server.url}/workers`, {
    headers: { authorization: `Bearer ${server.adminToken}`, accept: "text/html" },
  });
  expect(await page.text()).toMatch(/working: .{0,20}1 running/);
});

test("a worker is forgotten once it is gone, and not before", async () => {
  const { server, claim, tatara } = await aQueue(0);
  await using _server = server;
  await claim("w-1");
  await claim("of-another-machine");
  const db = new DatabaseSync(join(server.dataDir, "tatara.db"), { timeout: 5_000 });
  // As a restore leaves it: a row of long ago, and nobody who was ever heard of.
  db.exec(
    "INSERT INTO workers SELECT 'former', kind, arch, version, slots, protocolLowest, " +
      "protocolHighest, 1, 1, 1, 1, 'moved' FROM workers WHERE id = 'w-1'",
  );
  db.close();

  const there = await tatara(["worker", "forget", "w-1"]);
  const gone = await tatara(["worker", "forget", "former"]);

  expect(there.code).toBe(1);
  expect(there.stderr).toContain("Worker w-1 was heard of");
  expect(gone).toMatchObject({ code: 0, stdout: "former: forgotten\n" });
  const left = (await workersOf(server)).map(({ id }) => id);
  expect(left).toEqual(["of-another-machine", "w-1"]);
  expect((await tatara(["worker", "forget", "former"])).code).toBe(3);
});
