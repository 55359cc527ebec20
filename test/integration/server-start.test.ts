import { spawn, type ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { copyFile, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { connect, readAccess } from "../../src/cli/api-client.ts";
import { processEnv } from "../../src/shared/config.ts";
import { openDatabase } from "../../src/server/store/database.ts";
import { recordPush } from "../../src/server/store/deliveries.ts";
import { aPush, anIntake, aStore } from "../support/a-store.ts";
import { LIMITS } from "../support/store-rig.ts";

const SERVER = join(import.meta.dirname, "../../src/server/main.ts");

async function aFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-start-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** The server as a process of its own, with nobody else. */
function launch(dataDir: string): ChildProcess {
  const child = spawn(process.execPath, [SERVER], {
    env: {
      PATH: processEnv()["PATH"],
      TATARA_DATA_DIR: dataDir,
      TATARA_PORT: "0",
      TATARA_REDIS_URL: `unix://${join(dataDir, "no-redis.sock")}`,
      TATARA_BUILD_TOKEN: "a-build-token-for-tests",
      TATARA_PUBLISH_TOKEN: "a-publish-token-for-tests",
      TATARA_REPORT_TOKEN: "a-report-token-for-tests",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return child;
}

async function started(dataDir: string): Promise<ChildProcess> {
  const child = launch(dataDir);
  if (child.stdout === null) throw new Error("It has no stdout.");
  await once(createInterface({ input: child.stdout }), "line");
  return child;
}

async function refused(dataDir: string): Promise<{ code: number | null; said: string }> {
  const child = launch(dataDir);
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, said };
}

async function digestOf(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

test("the command line finds a server that took any free port, and none where it is dead", async () => {
  const dataDir = await aFolder();
  const drawn = { TATARA_DATA_DIR: dataDir, TATARA_PORT: "0" };
  const unsaid = { TATARA_DATA_DIR: dataDir };
  const said = { ...unsaid, TATARA_PORT: "9" };
  const server = await started(dataDir);

  for (const env of [drawn, unsaid]) {
    const api = await connect(env, AbortSignal.timeout(60_000));
    expect(await api.builds({ limit: 1 })).toEqual([]);
  }
  expect((await readAccess(said)).url).toBe("http://127.0.0.1:9");

  server.kill("SIGKILL");
  await once(server, "exit");
  await expect(readAccess(drawn)).rejects.toThrow(`none says in ${dataDir} which it took`);
  expect((await readAccess(unsaid)).url).toBe("http://127.0.0.1:8080");
});

test("a second server on the same folder is refused by the first one's name, and a dead one's lock is free", async () => {
  const dataDir = await aFolder();
  const first = await started(dataDir);
  const holder = await readFile(join(dataDir, "server.pid"), "utf8");

  const { code, said } = await refused(dataDir);

  expect(code).toBe(2);
  expect(said).toContain(`in use by another server (process ${first.pid}, since 2`);
  expect(said).toContain("TATARA_DATA_DIR");
  expect(await readFile(join(dataDir, "server.pid"), "utf8")).toBe(holder);

  first.kill("SIGKILL");
  await once(first, "exit");
  const next = await started(dataDir);
  expect(await readFile(join(dataDir, "server.pid"), "utf8")).toMatch(`${next.pid} `);
});

test.each([
  [
    "is no database",
    (path: string) => writeFile(path, randomBytes(8_192)),
    /damaged.*not a database.*tatara restore/s,
  ],
  [
    "is of a newer version",
    addLaterMigration,
    /newer version of Tatara \(9999-later\).*tatara restore/s,
  ],
])(
  "a database that %s is refused with what to do, and is not touched",
  async (_name, spoil, wanted) => {
    const dataDir = await aFolder();
    const path = join(dataDir, "tatara.db");
    await (await openDatabase(path)).destroy();
    await spoil(path);
    const before = await digestOf(path);

    const { code, said } = await refused(dataDir);

    expect(code).toBe(2);
    expect(said).toMatch(wanted);
    expect(await digestOf(path)).toBe(before);
  },
);

test("a database that another program holds is refused with how to find it", async () => {
  const dataDir = await aFolder();
  const path = join(dataDir, "tatara.db");
  await (await openDatabase(path)).destroy();
  const other = new DatabaseSync(path);
  other.exec("PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE");

  const { code, said } = await refused(dataDir);

  other.close();
  expect(code).toBe(2);
  expect(said).toMatch(/locked by another program.*fuser -v/s);
});

test("after an unclean end all that was committed is in the database file itself, whatever its log's tail is", async () => {
  const { copy, rows, walBytes } = await uncleanDatabase();
  const cuts = Array.from({ length: 12 }, (_none, index) => Math.floor((walBytes * index) / 11));
  const seen: number[] = [];
  for (const cut of cuts) {
    const path = await copy(cut);
    const db = await openDatabase(path);
    // The file alone, without its log: as after a loss of everything that was not synced.
    const alone = join(await aFolder(), "alone.db");
    await copyFile(path, alone);
    const database = new DatabaseSync(alone, { readOnly: true });
    const found = database.prepare("SELECT count(*) AS many FROM deliveries").get();
    database.close();
    await db.destroy();
    seen.push(Number(found?.["many"]));
  }

  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect(seen[0]).toBeLessThan(rows);
  expect(seen.at(-1)).toBe(rows);
});

test("after an unclean end a damaged page is found before anything is written", async () => {
  const { copy, walBytes } = await uncleanDatabase();
  const path = await copy(walBytes);
  const { size } = await stat(path);
  const file = await open(path, "r+");
  // A page in the middle: the schema is whole, so that only a look at everything finds it.
  for (let page = 3; page < size / 4_096; page += 1) {
    await file.write(Buffer.alloc(2_000, 0xa5), 0, 2_000, page * 4_096);
  }
  await file.close();
  const before = await digestOf(path);

  await expect(openDatabase(path)).rejects.toThrow(/is damaged.*tatara restore/);

  expect(await digestOf(path)).toBe(before);
});

function addLaterMigration(path: string): Promise<void> {
  const database = new DatabaseSync(path);
  database.exec("INSERT INTO kysely_migration VALUES ('9999-later', '2030-01-01T00:00:00.000Z')");
  database.close();
  return Promise.resolve();
}

/** Files as a kill leaves them: copied while the database is open, its log as long as one asks. */
async function uncleanDatabase() {
  const held = await aStore();
  onTestFinished(() => held[Symbol.asyncDispose]());
  const rows = 40;
  for (let row = 0; row < rows; row += 1) {
    await held.store.write((tx) => recordPush(tx, anIntake(aPush()), LIMITS));
  }
  const { size: walBytes } = await stat(`${held.path}-wal`);
  const copy = async (walCut: number): Promise<string> => {
    const path = join(await aFolder(), "tatara.db");
    await copyFile(held.path, path);
    await copyFile(`${held.path}-wal`, `${path}-wal`);
    await truncate(`${path}-wal`, walCut);
    return path;
  };
  return { copy, rows, walBytes };
}
