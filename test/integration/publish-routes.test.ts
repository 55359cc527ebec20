import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import { expect, test } from "vitest";
import { LEASE_HEADER, PATHS, PROTOCOL } from "../../src/shared/protocol.ts";
import { publishCheckAnswer, switchAnswer } from "../../src/shared/publish-messages.ts";
import { publishGrant } from "../../src/shared/publish-grants.ts";
import { createAnnouncer } from "../../src/server/announcer.ts";
import { openArtifactFiles } from "../../src/server/artifact-files.ts";
import { createLive } from "../../src/server/live.ts";
import { publishRoutes } from "../../src/server/routes/publish-routes.ts";
import { askedChange, listedIn, requestChange } from "../../src/server/store/changes.ts";
import { readStore } from "../../src/server/store/read.ts";
import { aStore } from "../support/a-store.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { aPackage, aQueuedPublish, switchOf, TARGET } from "../support/store-rig.ts";
import { until } from "../support/until.ts";

const TOKEN = "the-publish-workers-token";
const CLAIM = { worker: "p1", protocol: PROTOCOL };

/** The routes over a real store, and what tickets and pages hear. */
async function aPublishServer() {
  const held = await aStore();
  const dir = await mkdtemp(join(tmpdir(), "tatara-routes-"));
  const live = createLive();
  const heard: string[] = [];
  live.onBuild((id) => heard.push(`build ${id}`));
  live.onPublish(({ id, channels }) => heard.push(`publish ${id} ${channels.join()}`));
  const tickets: string[] = [];
  const announcer = createAnnouncer({
    live,
    logger: silentLogger,
    tickets: {
      add: () => Promise.resolve(),
      addAll: (queue, ids) => {
        tickets.push(...ids.map((id) => `${queue} ${id.replace(/-a\d+$/, "")}`));
        return Promise.resolve();
      },
      depth: () => Promise.resolve(0),
      close: () => Promise.resolve(),
    },
  });
  let tokens = 0;
  const app = express();
  const routes = publishRoutes({
    store: held.store,
    announcer,
    artifacts: openArtifactFiles(dir),
    disk: { noteWorker: () => undefined },
    logger: silentLogger,
    token: TOKEN,
    newToken: () => `lease-${(tokens += 1)}`.padEnd(40, "-"),
  });
  app.use(routes);
  const http = createServer(app).listen(0, "127.0.0.1");
  await once(http, "listening");
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const post = (path: string, body: unknown, lease = "", token = TOKEN) =>
    fetch(url + path, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        [LEASE_HEADER]: lease,
      },
      body: JSON.stringify(body),
    });
  return {
    store: held.store,
    announcer,
    heard,
    tickets,
    post,
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      http.close();
      await held[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

test("a build's packages go from the claim over the check to the switch", async () => {
  await using server = await aPublishServer();
  const { store, post, heard } = server;
  const { buildId, publishId } = await aQueuedPublish(store);

  const grant = publishGrant.parse(await (await post(PATHS.publishClaim(), CLAIM)).json());
  const { nevra, unsignedSha256 } = aPackage();
  const none = { provides: [], obsoletes: ["bash"], conflicts: [] };
  const question = { packages: [{ nevra, unsignedSha256, target: TARGET, ...none }] };
  const checked = await post(PATHS.publishCheck(publishId), question, grant.lease.token);
  const wish = switchOf({ publishId, token: grant.lease.token, base: 0 });
  const switched = await post(PATHS.publishSwitch(), wish);

  expect(publishCheckAnswer.parse(await checked.json())).toMatchObject({
    packages: [{ verdict: "new" }],
    refusals: [{ code: "OBSOLETES_FOREIGN" }],
  });
  expect(switchAnswer.parse(await switched.json())).toEqual({ kind: "live" });
  expect(await listedIn(store, { channel: "dev" })).toHaveLength(1);
  expect(heard).toContain(`publish ${publishId} dev`);
  expect(heard).toContain(`build ${buildId}`);
  expect((await post(PATHS.publishClaim(), CLAIM)).status).toBe(204);
});

test("a change without a build wakes the publish worker and the pages of its channels", async () => {
  await using server = await aPublishServer();
  const { store, announcer, heard, tickets, post } = server;
  const request = { dryRun: true, plan: null };
  const wish = { kind: "sweep", channels: ["dev"], by: "admin", note: "", request } as const;

  const id = await store.write((tx) => requestChange(tx, wish));
  announcer.announce(askedChange(id, ["dev"]));

  await until(() => Promise.resolve(tickets), [`publish ${id}`]);
  expect(heard).toEqual([`publish ${id} dev`]);
  const grant = publishGrant.parse(await (await post(PATHS.publishClaim(), CLAIM)).json());
  const { token } = grant.lease;
  const progress = { done: 1, total: 2, note: "" };
  expect((await post(PATHS.publishProgress(id), progress, token)).status).toBe(200);
  const done = { durationMs: 3, report: ["nothing to delete"] };
  expect((await post(PATHS.publishDone(id), done, token)).status).toBe(200);
  expect(await readStore(store, { liveSince: () => 0 }).changeById(id)).toMatchObject({
    state: "live",
    report: ["nothing to delete"],
  });
  // Asked, granted, come further, done.
  expect(heard).toHaveLength(4);
});

test("nothing is told to another worker, to an old lease, or to a worker of another version", async () => {
  await using server = await aPublishServer();
  const { store, post } = server;
  const { publishId } = await aQueuedPublish(store);
  const done = { durationMs: 3, report: [] };

  expect((await post(PATHS.publishClaim(), CLAIM, "", "another")).status).toBe(401);
  const old = { worker: "p1", protocol: { lowest: 1, highest: 1 } };
  expect((await post(PATHS.publishClaim(), old)).status).toBe(426);
  await post(PATHS.publishClaim(), CLAIM);
  expect((await post(PATHS.publishDone(publishId), done, "a wrong lease")).status).toBe(409);
  expect((await post(PATHS.publishProgress(publishId), {}, "")).status).toBeGreaterThanOrEqual(400);
  const wish = switchOf({ publishId, token: "wrong".padEnd(40, "-"), base: 0 });
  const answer = switchAnswer.parse(await (await post(PATHS.publishSwitch(), wish)).json());
  expect(answer).toMatchObject({ kind: "refused", publishes: [{ why: "stale" }] });
});

test("a switch may be larger than any other message", async () => {
  await using server = await aPublishServer();
  const { post } = server;
  const packages = Array.from({ length: 20_000 }, (_, index) => aPackage({ name: `p${index}` }));
  const wish = switchOf({ publishId: "p-0", token: "wrong".padEnd(40, "-"), base: 0, packages });
  expect(JSON.stringify(wish).length).toBeGreaterThan(8_000_000);

  expect((await post(PATHS.publishSwitch(), wish)).status).toBe(200);
});
