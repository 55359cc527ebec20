import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Interrupted } from "../../../src/cli/command.ts";
import { buildGrant } from "../../../src/shared/build-messages.ts";
import { PATHS, PROTOCOL } from "../../../src/shared/protocol.ts";
import { pushPayload, send, signedRequest } from "../../support/github-deliveries.ts";
import { tataraAt } from "../../support/run-tatara.ts";
import { aServer, type TestServer } from "../../support/start-server.ts";

const SECRET = "the-webhook-secret-of-this-test";

/** A worker that asks for work and gets one build if there is one. */
async function claim(server: TestServer, worker: string) {
  const response = await fetch(server.url + PATHS.buildClaim(), {
    method: "POST",
    headers: {
      authorization: `Bearer ${server.buildToken}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ worker, protocol: PROTOCOL, version: "0.1.0", slots: 2 }),
  });
  return response.status === 200 ? buildGrant.parse(await response.json()) : response.status;
}

async function push(server: TestServer) {
  const sha = "a".repeat(40);
  const one = { repo: "acme/hello", ref: "refs/heads/main", before: "e".repeat(40), after: sha };
  const request = signedRequest("push", pushPayload({ ...one, sha }), SECRET);
  expect(await send(`${server.url}/webhooks/github`, request)).toMatchObject({ status: 202 });
}

test("who has no token, or a wrong one, is told the setting and not the header", async () => {
  await using server = await aServer();
  const tatara = tataraAt(server);
  const hint = "export TATARA_TOKEN=$(cat .../data/admin-token), or set TATARA_DATA_DIR";

  const without = await tatara(["builds"], { env: { TATARA_TOKEN: "" } });
  const wrong = await tatara(["builds"], { env: { TATARA_TOKEN: "not-the-right-token" } });

  expect([without.code, wrong.code]).toEqual([3, 3]);
  expect(without.stderr).toContain(`The server at ${server.url} wants a token, and none was found`);
  expect(wrong.stderr).toContain(`The server at ${server.url} does not know this token`);
  for (const { stderr } of [without, wrong]) {
    expect(stderr).toContain(hint);
    expect(stderr).not.toContain("Authorization");
  }
});

test("a build that is not there is looked for with a command, not with the API", async () => {
  await using server = await aServer();

  const { code, stderr } = await tataraAt(server)(["watch", "acme/hello/99"]);

  expect(code).toBe(3);
  expect(stderr).toContain("tatara builds lists them");
  expect(stderr).not.toContain("/api/");
});

test("worker says what it wants to know, and whether there was anything to resume", async () => {
  await using server = await aServer();
  const tatara = tataraAt(server);
  expect(await claim(server, "w-1")).toBe(204);

  const nameless = await tatara(["worker", "drain"]);
  const unknown = await tatara(["worker", "frob"]);
  const idle = await tatara(["worker", "resume", "w-1"]);
  await tatara(["worker", "drain", "w-1"]);
  const drained = await tatara(["worker", "resume", "w-1"]);

  expect(nameless).toMatchObject({ code: 2 });
  expect(nameless.stderr).toContain("Which worker?");
  expect(unknown).toMatchObject({ code: 2 });
  expect(unknown.stderr).toContain("There is no `worker frob`: list, drain, resume");
  expect(idle).toMatchObject({ code: 0, stdout: "w-1: was not drained\n" });
  expect(drained).toMatchObject({ code: 0, stdout: "w-1: takes work again\n" });
});

test("Ctrl-C of a drain that waits is status 130, and says that the drain goes on", async () => {
  await using server = await aServer({ TATARA_GITHUB_WEBHOOK_SECRET: SECRET });
  await push(server);
  expect(await claim(server, "w-1")).toHaveProperty("jobId");
  const pressed = new AbortController();
  const drain = tataraAt(server)(["worker", "drain", "w-1"], { signal: pressed.signal });
  const isDraining = async () =>
    (await server.api<{ workers: { state: string }[] }>("/api/workers")).workers[0]?.state;
  while ((await isDraining()) !== "draining");

  pressed.abort(new Interrupted("SIGINT"));
  const { code, stderr } = await drain;

  expect(code).toBe(130);
  expect(stderr).toContain("w-1: the drain goes on, until `tatara worker resume w-1`");
  expect(stderr).not.toContain("AbortError");
  expect(await isDraining()).toBe("draining");
});

test("a server without GitHub is not called degraded for its webhook", async () => {
  const warningsWith = async (env: Readonly<Record<string, string>>) => {
    await using server = await aServer(env);
    const { warnings } = await server.api<{ warnings: string[] }>("/healthz");
    return warnings.filter((warning) => warning.includes("/webhooks/github is off"));
  };

  expect(await warningsWith({})).toEqual([]);
  expect(await warningsWith({ TATARA_GITHUB_READ_TOKEN: "a-token-of-github" })).toHaveLength(1);
  expect(await warningsWith({ TATARA_GITHUB_HOOK_TOKEN: "a-token-of-github" })).toHaveLength(1);
});

test("doctor names a Redis that nobody answers for, settings that nobody reads, and the room", async () => {
  await using server = await aServer();
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-doctor-"));
  await mkdir(join(dataDir, "log"));
  const env = {
    TATARA_DATA_DIR: dataDir,
    TATARA_PROT: "8081",
    TATARA_REDIS_URL: "redis://:hidden-word@127.0.0.1:1",
    TATARA_FREE_DISK_MIN_MIB: String((1 << 24) - 1),
  };
  try {
    const { stdout } = await tataraAt(server)(["doctor", "--json"], { env });

    const { checks } = JSON.parse(stdout) as {
      checks: { name: string; verdict: string; evidence: string }[];
    };
    const of = (name: string, verdict: string) =>
      checks.filter((one) => one.name === name && one.verdict === verdict);
    expect(of("redis", "warn")[0]?.evidence).toContain("cannot reach 127.0.0.1:1 (ECONNREFUSED)");
    expect(stdout).not.toContain("hidden-word");
    expect(of("settings", "warn")[0]?.evidence).toBe(
      "TATARA_PROT is not known, did you mean TATARA_PORT?",
    );
    expect(of("disk", "FAIL")[0]?.evidence).toContain("TATARA_FREE_DISK_MIN_MIB is 16777215");
  } finally {
    await rm(dataDir, { recursive: true });
  }
});

test("doctor in a worker's container wants no admin token of it", async () => {
  await using server = await aServer();
  const options = { signal: AbortSignal.timeout(60_000) };
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-doctor-"));
  await writeFile(join(dataDir, "id"), "");
  try {
    const { connect } = await import("../../../src/cli/api-client.ts");
    const { checkServer } = await import("../../../src/cli/doctor/server.ts");
    const env = { TATARA_URL: server.url, TATARA_DATA_DIR: dataDir };
    const tokenOf = async (more: Readonly<Record<string, string>>) => {
      const all = { ...env, ...more };
      const api = () => connect(all, options.signal);
      const checks = await checkServer(api, { env: all, dataDir, ...options });
      return checks.find(({ name }) => name === "token")?.verdict;
    };

    expect(await tokenOf({})).toBe("FAIL");
    expect(await tokenOf({ TATARA_WORKER_TOKEN: "a-worker-token-for-tests" })).toBe("ok");
  } finally {
    await rm(dataDir, { recursive: true });
  }
});
