import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import { expect, test } from "vitest";
import type { Pipeline } from "../../src/domain/pipeline.ts";
import { openArtifactFiles } from "../../src/server/artifact-files.ts";
import { createLive } from "../../src/server/live.ts";
import { openLogFiles } from "../../src/server/logs.ts";
import { buildRoutes } from "../../src/server/routes/build-routes.ts";
import type { SecretsDoor } from "../../src/server/routes/grants.ts";
import { updateSettings } from "../../src/server/store/channels.ts";
import { createWorkerRoll } from "../../src/server/worker-roll.ts";
import { buildGrant, planAnswer, startedAnswer } from "../../src/shared/build-messages.ts";
import { DEFAULT_CHANNEL_SETTINGS } from "../../src/shared/channel-settings.ts";
import { refusal } from "../../src/shared/message-parts.ts";
import { LEASE_HEADER, PATHS, PROTOCOL } from "../../src/shared/protocol.ts";
import { aPackageStep, aPipeline, aPlanMessage, aRule, aTest } from "../support/a-pipeline.ts";
import { aStore } from "../support/a-store.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { accept } from "../support/store-rig.ts";

const TOKEN = "the-build-workers-token";

/** The build workers' routes over a real store. */
async function aBuildServer({
  secretsOf = () => Promise.resolve([]),
}: { readonly secretsOf?: SecretsDoor["valuesFor"] } = {}) {
  const held = await aStore();
  const { store } = held;
  const dir = await mkdtemp(join(tmpdir(), "tatara-routes-"));
  let tokens = 0;
  const app = express();
  app.use(
    buildRoutes({
      store,
      announcer: { announce: () => undefined },
      live: createLive(),
      logs: openLogFiles(join(dir, "logs")),
      artifacts: openArtifactFiles(dir),
      roll: createWorkerRoll(store.now),
      disk: { noteWorker: () => undefined },
      logger: silentLogger,
      token: TOKEN,
      newToken: () => `lease-${(tokens += 1)}`.padEnd(40, "-"),
      newId: store.newId,
      defaultTarget: "debian12.x86_64",
      targets: ["el9.x86_64", "el9.aarch64"],
      yumSources: ["epel"],
      secrets: {
        namesOf: () => Promise.resolve([{ name: "TOKEN", pullRequests: false }]),
        valuesFor: secretsOf,
      },
      superseder: { consider: () => Promise.resolve() },
      hasRoom: () => Promise.resolve(true),
      cloneOf: () => ({ url: "http://git.test/a.git", authorization: null }),
    }),
  );
  const http = createServer(app).listen(0, "127.0.0.1");
  await once(http, "listening");
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const post = (path: string, body: unknown, lease = "") =>
    fetch(url + path, {
      method: "POST",
      headers: {
        authorization: `Bearer ${TOKEN}`,
        "content-type": "application/json",
        [LEASE_HEADER]: lease,
      },
      body: JSON.stringify(body),
    });
  return {
    store,
    post,
    claim: async (arch?: string) => {
      const response = await post(PATHS.buildClaim(), { worker: "w1", protocol: PROTOCOL, arch });
      return response.status === 204 ? undefined : buildGrant.parse(await response.json());
    },
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      http.close();
      await held[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    },
  };
}

const TARGETS = aPipeline({
  tests: [aTest()],
  packages: [aPackageStep({ for: ["el9"], arch: ["x86_64", "aarch64"] })],
  publish: [aRule()],
});

test("a grant tells all that planning needs; the plan is answered with the first job", async () => {
  await using server = await aBuildServer();
  await accept(server.store);
  const grant = await server.claim("x86_64");
  if (grant === undefined) throw new Error("Nothing was granted.");

  expect(grant).toMatchObject({
    job: null,
    target: "debian12.x86_64",
    build: { event: "push", trust: "trusted", pullRequest: null },
    names: {
      channels: [
        { name: "dev", mayPublish: true },
        { name: "stable", mayPublish: true },
        { name: "testing", mayPublish: true },
      ],
      targets: ["debian12.x86_64", "el9.x86_64", "el9.aarch64"],
      yumSources: ["epel"],
      secrets: [{ name: "TOKEN", pullRequests: false }],
    },
    fileSha: null,
    passedAt: {},
    cacheEpoch: 0,
    verify: null,
  });
  const path = PATHS.plan(grant.jobId);
  const say = async () => {
    const response = await server.post(path, aPlanMessage(TARGETS), grant.lease.token);
    return planAnswer.parse(await response.json());
  };
  const answer = await say();
  expect(answer).toMatchObject({ target: "el9.x86_64", job: { name: "el9.x86_64" } });
  // The answer may be lost on its way.
  expect(await say()).toEqual(answer);

  const end = { state: "passed", reason: null, failure: null, packages: [] };
  await server.post(PATHS.end(grant.jobId), end, grant.lease.token);
  expect(await server.claim("x86_64")).toBeUndefined();
  expect(await server.claim("aarch64")).toMatchObject({
    job: { name: "el9.aarch64", packages: [{ step: "package" }] },
    target: "el9.aarch64",
  });
});

test("what only the server can refuse is refused, and another plan may follow", async () => {
  await using server = await aBuildServer();
  await server.store.write((tx) =>
    updateSettings(tx, "stable", {
      settings: { ...DEFAULT_CHANNEL_SETTINGS, repos: ["acme/other"] },
    }),
  );
  await accept(server.store);
  const grant = await server.claim();
  if (grant === undefined) throw new Error("Nothing was granted.");
  const say = (pipeline: Pipeline) =>
    server.post(PATHS.plan(grant.jobId), aPlanMessage(pipeline), grant.lease.token);
  const refusedWith = async (pipeline: Pipeline) => {
    const response = await say(pipeline);
    expect(response.status).toBe(422);
    return refusal.parse(await response.json());
  };
  const toChannel = (channel: string, promoteFrom: string | null = null) =>
    aPipeline({ packages: [aPackageStep()], publish: [aRule({ channel, promoteFrom })] });

  expect(await refusedWith(toChannel("tsting"))).toEqual({
    code: "CHANNEL_UNKNOWN",
    message: 'no channel "tsting" on this server',
    hint: 'did you mean "testing"? channels: dev, stable, testing',
  });
  expect(await refusedWith(toChannel("stable"))).toMatchObject({
    code: "CHANNEL_FORBIDDEN",
    message: 'acme/hello may not publish to "stable"',
  });
  expect(
    await refusedWith(aPipeline({ packages: [aPackageStep({ for: ["el11"] })] })),
  ).toMatchObject({ code: "TARGET_UNKNOWN" });
  // Who only promotes from there publishes nothing, so this is a plan.
  expect((await say(toChannel("stable", "testing"))).status).toBe(200);
});

test("a plan from a stale worker changes nothing", async () => {
  await using server = await aBuildServer();
  await accept(server.store);
  const grant = await server.claim();
  if (grant === undefined) throw new Error("Nothing was granted.");
  const path = PATHS.plan(grant.jobId);

  expect((await server.post(path, aPlanMessage(TARGETS), "x".repeat(40))).status).toBe(409);
  const row = await server.store.db.selectFrom("builds").selectAll().executeTakeFirstOrThrow();
  expect(row.pipelineJson).toBeNull();
});

test("one job whose grant cannot be made keeps its worker from neither its start nor its other jobs", async () => {
  let spoiled: string | undefined;
  await using server = await aBuildServer({
    secretsOf: ({ job }) =>
      job.id === spoiled ? Promise.reject(new Error("other key")) : Promise.resolve([]),
  });
  await accept(server.store);
  await accept(server.store);
  const grants = [await server.claim(), await server.claim()];
  const held = grants.map((grant, index) => ({
    jobId: grant?.jobId ?? "",
    token: grant?.lease.token ?? "",
    nextToken: `next-${index}`.padEnd(40, "-"),
    wasWorkedOn: false,
    logs: [],
  }));
  spoiled = grants[0]?.jobId;

  const started = await server.post(PATHS.buildStarted(), { worker: "w1", held });

  expect(started.status).toBe(200);
  const { resumed } = startedAnswer.parse(await started.json());
  expect(resumed.map(({ grant }) => grant.jobId)).toEqual([grants[1]?.jobId]);
  const jobs = await server.store.db.selectFrom("jobs").select(["id", "state"]).execute();
  expect(new Map(jobs.map(({ id, state }) => [id, state]))).toEqual(
    new Map([
      [grants[0]?.jobId, "queued"],
      [grants[1]?.jobId, "running"],
    ]),
  );
});
