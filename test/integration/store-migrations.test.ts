import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { Migrator } from "kysely/migration";
import { expect, onTestFinished, test } from "vitest";
import { DEFAULT_CHANNEL_SETTINGS } from "../../src/shared/channel-settings.ts";
import { listedIn, newestListed } from "../../src/server/store/changes.ts";
import { expireLeases } from "../../src/server/store/attempts.ts";
import { claimJob } from "../../src/server/store/jobs.ts";
import * as first from "../../src/server/store/migrations/0001-first.ts";
import * as channels from "../../src/server/store/migrations/0002-channels.ts";
import { recordPlan } from "../../src/server/store/plans.ts";
import { readStore } from "../../src/server/store/read.ts";
import { sqliteDialect } from "../../src/server/store/sqlite.ts";
import { openStore } from "../../src/server/store/store.ts";
import { PLAN, SERVER } from "../support/store-rig.ts";

type Row = Readonly<Record<string, string | number | null>>;
type AnyTables = Record<string, Row>;

const TARGET = "el9.x86_64";

/** A database as version 0001 left it, with two builds published to `dev` and one that waits. */
async function oldDatabase(path: string): Promise<void> {
  const db = new Kysely<AnyTables>({
    dialect: sqliteDialect(path, (err) => {
      throw err;
    }),
  });
  const provider = { getMigrations: () => Promise.resolve({ "0001-first": first }) };
  const { error } = await new Migrator({ db, provider }).migrateToLatest();
  if (error !== undefined) throw error;
  const insert = (table: string, rows: readonly Row[]) =>
    db
      .insertInto(table)
      .values([...rows])
      .execute();
  await insert("repos", [
    { name: "acme/hello", forge: "own", defaultBranch: "main", nextNumber: 4, createdAt: 1 },
  ]);
  await insert("channels", [
    { name: "dev", head: 2, updatedAt: 20 },
    { name: "stable", head: 0, updatedAt: 5 },
  ]);
  for (const number of [1, 2, 3]) await insert("builds", [oldBuild(number)]);
  await insert("publishes", [
    oldPublish(1, "live"),
    oldPublish(2, "live"),
    oldPublish(3, "queued"),
  ]);
  for (const number of [1, 2]) {
    const targetsJson = JSON.stringify({ [TARGET]: number });
    const place = { channel: "dev", number, base: number - 1, createdAt: number * 10 };
    await insert("generations", [{ ...place, buildId: `b-${number}`, targetsJson }]);
    await insert("packages", [oldPackage(number, "9"), oldPackage(number, "10")]);
    await insert("listings", [oldListing(number, "9"), oldListing(number, "10")]);
  }
  await db.destroy();
}

function oldBuild(number: number): Row {
  return {
    id: `b-${number}`,
    repo: "acme/hello",
    number,
    forge: "own",
    event: "push",
    sha: "a".repeat(40),
    ref: "refs/heads/main",
    before: "",
    after: "a".repeat(40),
    message: "a change",
    authorName: "Dev",
    pusher: "dev",
    trust: "trusted",
    defaultBranch: "main",
    state: number === 3 ? "running" : "passed",
    isReady: 1,
    createdAt: number,
  };
}

function oldPublish(number: number, state: string): Row {
  return {
    id: `p-${number}`,
    buildId: `b-${number}`,
    state,
    channelsJson: '["dev"]',
    attempt: 1,
    countedAttempts: 1,
    notBeforeAt: 0,
    queuedAt: number,
  };
}

function oldPackage(number: number, version: string): Row {
  return {
    nevra: `p${number}-${version}-1.x86_64`,
    name: `p${number}`,
    epoch: 0,
    version,
    release: "1",
    arch: "x86_64",
    summary: "",
    license: "MIT",
    unsignedSha256: "1".repeat(64),
    signedSha256: "2".repeat(64),
    sizeBytes: 9,
    fileName: "p.rpm",
    repo: "acme/hello",
    buildId: `b-${number}`,
    publishedAt: number * 10,
  };
}

function oldListing(number: number, version: string): Row {
  const nevra = `p${number}-${version}-1.x86_64`;
  return { channel: "dev", target: TARGET, nevra, sinceGeneration: number };
}

test("a database of the first version keeps all that was published, and what waits is published", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tatara-old-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const path = join(dir, "tatara.db");
  await oldDatabase(path);

  const env = { now: () => 100, newId: (prefix: string) => `${prefix}-9`, buildUrl: () => "" };
  const store = await openStore(path, env);
  const read = readStore(store, { liveSince: () => 0 });

  const channel = await read.channelByName("dev");
  expect(channel).toMatchObject({
    head: 2,
    parent: null,
    settings: DEFAULT_CHANNEL_SETTINGS,
    targets: [{ name: TARGET, packages: 4 }],
    generations: [
      {
        number: 2,
        causes: [{ kind: "build", by: "push", build: { id: "b-2", number: 2 } }],
        added: ["p2-10-1.x86_64", "p2-9-1.x86_64"],
      },
      { number: 1 },
    ],
  });
  expect(await newestListed(store, { channel: "dev", names: ["p1"] })).toMatchObject([
    { nevra: "p1-10-1.x86_64" },
  ]);
  expect(await listedIn(store, { channel: "dev", at: 1 })).toHaveLength(2);
  expect(await store.db.selectFrom("packageNames").selectAll().orderBy("name").execute()).toEqual([
    { name: "p1", repo: "acme/hello", since: 10 },
    { name: "p2", repo: "acme/hello", since: 20 },
  ]);
  expect((await read.packageByNevra("p1-9-1.x86_64"))?.listings).toEqual([
    { channel: "dev", target: TARGET },
  ]);
  const waiting = await store.db
    .selectFrom("publishes")
    .select(["id", "kind", "buildId", "by"])
    .where("state", "=", "queued")
    .execute();
  expect(waiting).toEqual([{ id: "p-3", kind: "build", buildId: "b-3", by: "push" }]);
  expect((await read.buildById("b-1"))?.publish).toMatchObject({ state: "live", warnings: [] });
  await store.close();
});

test("what was under way in version 0002 is planned anew, and its publishes go on", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tatara-old-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const path = join(dir, "tatara.db");
  await oldDatabase(path);
  const db = new Kysely<AnyTables>({
    dialect: sqliteDialect(path, (err) => {
      throw err;
    }),
  });
  const migrations = { "0001-first": first, "0002-channels": channels };
  const provider = { getMigrations: () => Promise.resolve(migrations) };
  const { error } = await new Migrator({ db, provider }).migrateToLatest();
  if (error !== undefined) throw error;
  const firstPlan = JSON.stringify({ v: 1, pipeline: { publish: "dev" }, steps: [] });
  const running = { ...oldBuild(4), id: "b-4", state: "running", pipelineJson: firstPlan };
  await db.insertInto("builds").values(running).execute();
  const job: Row = {
    id: "j-4",
    buildId: "b-4",
    position: 0,
    target: TARGET,
    state: "running",
    attempt: 1,
    countedAttempts: 1,
    notBeforeAt: 0,
    queuedAt: 1,
    worker: "w1",
    leaseTokenHash: "00",
    leaseExpiresAt: 50,
  };
  await db.insertInto("jobs").values(job).execute();
  const made = { jobId: "j-4", attempt: 1, name: "test", kind: "test", position: 0 };
  await db
    .insertInto("steps")
    .values({ ...made, state: "running" })
    .execute();
  await db.destroy();

  let ids = 0;
  const newId = (prefix: string): string => `${prefix}-new${(ids += 1)}`;
  const store = await openStore(path, { now: () => 100, newId, buildUrl: () => "" });
  const read = readStore(store, { liveSince: () => 0 });

  const [waiting] = (await read.buildById("b-4"))?.jobs ?? [];
  expect(waiting).toMatchObject({
    name: TARGET,
    kind: "build",
    needs: [],
    steps: [{ title: "test" }],
  });
  expect((await read.buildById("b-3"))?.publish).toMatchObject({ state: "queued" });
  await store.write(expireLeases);
  const granted = await store.write((tx) => claimJob(tx, "w1", "token"));
  expect(granted?.job).toMatchObject({ id: "j-4", attempt: 2, specJson: null });
  const lease = { jobId: "j-4", token: "token" };
  const planned = await store.write((tx) => recordPlan(tx, lease, PLAN, SERVER));
  expect(planned?.answer.job).toMatchObject({ tests: [{ step: "test" }] });
  await store.close();
});

/** As a database is found whose upgrade was killed right before its last statement was carried out. */
function refuseIndex(path: string, name: string): () => void {
  const database = new DatabaseSync(path);
  database.exec(`CREATE TABLE "${name}" (a)`);
  database.close();
  return () => {
    const again = new DatabaseSync(path);
    again.exec(`DROP TABLE "${name}"`);
    again.close();
  };
}

test("an upgrade that was cut off half-way is as if it had never begun, and is done again", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tatara-old-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const path = join(dir, "tatara.db");
  await oldDatabase(path);
  // The last thing that migration 0009 makes: a name that is taken ends it there.
  const makeRoom = refuseIndex(path, "outboxWaitingForForge");
  const env = { now: () => 100, newId: (prefix: string) => `${prefix}-9`, buildUrl: () => "" };
  await expect(openStore(path, env)).rejects.toThrow("could not be brought to this version");

  makeRoom();
  const store = await openStore(path, env);

  expect((await readStore(store, { liveSince: () => 0 }).channelByName("dev"))?.head).toBe(2);
  await store.close();
});
