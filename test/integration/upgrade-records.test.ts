import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { readWorkers } from "../../src/server/store/workers.ts";
import { claimJob } from "../../src/server/store/jobs.ts";
import { renewLease } from "../../src/server/store/leases.ts";
import { readStore } from "../../src/server/store/read.ts";
import { openStore } from "../../src/server/store/store.ts";
import { buildGrant, planAnswer } from "../../src/shared/build-messages.ts";
import { LEASE_HEADER } from "../../src/shared/protocol.ts";
import { heartbeatAnswer } from "../../src/shared/worker-messages.ts";
import { pushPayload, send, signedRequest } from "../support/github-deliveries.ts";
import { aServer } from "../support/start-server.ts";

/** Made by the version before itself: `node test/torture/upgrade/make-fixtures.ts`. */
const fixture = (name: string) =>
  readFile(new URL(`../fixtures/upgrade/${name}`, import.meta.url), "utf8");

const said = z.array(
  z.object({
    method: z.string(),
    path: z.string(),
    lease: z.string(),
    json: z.unknown(),
    status: z.number(),
    answer: z.unknown(),
  }),
);

test("a database of the version before: one build over, one running, two waiting", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tatara-upgrade-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, "tatara.db");
  const made = new DatabaseSync(path);
  made.exec(await fixture("database-0007.sql"));
  made.close();
  const env = { now: Date.now, newId: (prefix: string) => `${prefix}-new`, buildUrl: () => "x" };

  const store = await openStore(path, env);
  onTestFinished(() => store.close());

  const read = readStore(store, { liveSince: () => 1 });
  const builds = await read.listBuilds({ limit: 10 });
  expect(builds.map(({ number, state }) => [number, state]).toReversed()).toEqual([
    [1, "passed"],
    [2, "running"],
    [3, "queued"],
    [4, "queued"],
  ]);
  const first = await read.buildById(builds.find(({ number }) => number === 1)?.id ?? "");
  expect(first?.jobs[0]?.steps.map(({ state }) => state)).toContain("passed");
  const granted = await store.write((tx) => claimJob(tx, "new-worker", "a-new-token"));
  expect(granted?.build.number).toBe(3);
  const jobId = granted?.job.id ?? "";
  expect(await store.write((tx) => renewLease(tx, jobId, "a-new-token"))).toBeDefined();
  expect(await readWorkers(store)).toEqual([]);
});

test("a worker of the version before builds with this server, message by message", async () => {
  const secret = "the-webhook-secret-of-this-test";
  await using server = await aServer({ TATARA_GITHUB_WEBHOOK_SECRET: secret });
  const sha = "a".repeat(40);
  const push = { repo: "acme/before", ref: "refs/heads/main", before: "e".repeat(40), after: sha };
  const request = signedRequest("push", pushPayload({ ...push, sha }), secret);
  expect(await send(`${server.url}/webhooks/github`, request)).toMatchObject({ status: 202 });

  // Ids and tokens are given anew; everything else is as the old worker said it.
  const names = new Map<string, string>();
  const renamed = (text: string): string =>
    [...names].reduce((now, [old, own]) => now.replaceAll(old, own), text);
  const statuses: (readonly [string, number, number])[] = [];
  for (const one of said.parse(JSON.parse(await fixture("protocol-3.json")))) {
    const isClaim = one.path.endsWith("/claim");
    // It asked often before there was anything.
    if (isClaim && one.status === 204) continue;
    const answered = await fetch(server.url + renamed(one.path), {
      method: one.method,
      headers: {
        authorization: `Bearer ${server.buildToken}`,
        ...(one.json !== null && { "content-type": "application/json" }),
        ...(one.lease !== "" && { [LEASE_HEADER]: renamed(one.lease) }),
      },
      ...(one.json !== null && { body: renamed(JSON.stringify(one.json)) }),
    });
    const text = await answered.text();
    statuses.push([one.path, one.status, answered.status]);
    if (isClaim) {
      const [old, own] = [grant.parse(one.answer), grant.parse(JSON.parse(text))];
      names.set(old.jobId, own.jobId).set(old.lease.token, own.lease.token);
    }
  }

  expect(statuses.length).toBeGreaterThan(5);
  expect(statuses.filter(([, then, now]) => then !== now)).toEqual([]);
  const build = await server.api<{ state: string }>("/api/repos/acme/before/builds/1");
  expect(build.state).toBe("passed");
});

test("this version's worker understands each answer of the server before", async () => {
  const answers = said
    .parse(JSON.parse(await fixture("protocol-3.json")))
    .filter(({ status }) => status === 200);
  const asked = answers.map(({ path, answer }) => {
    const schema = path.endsWith("/claim")
      ? buildGrant
      : path.endsWith("/plan")
        ? planAnswer
        : path.endsWith("/heartbeat")
          ? heartbeatAnswer
          : z.looseObject({});
    return schema.safeParse(answer).error?.message ?? path.replace(/^.*\//, "");
  });

  expect(asked).toEqual(expect.arrayContaining(["claim", "plan", "end"]));
  expect(asked.filter((one) => !/^[a-z-]+$/.test(one))).toEqual([]);
});

const grant = z.looseObject({ jobId: z.string(), lease: z.looseObject({ token: z.string() }) });
