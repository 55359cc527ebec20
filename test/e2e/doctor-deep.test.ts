import { execFile } from "node:child_process";
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readWorld } from "../../src/cli/doctor/read-world.ts";
import type { OpenWorld } from "../../src/cli/doctor/read-world.ts";
import { verifyInvariants } from "../../src/invariants/verify-invariants.ts";
import type { World } from "../../src/invariants/world.ts";
import { readQueues } from "../../src/shared/queue-contents.ts";
import { openTickets } from "../../src/shared/queues.ts";
import { processEnv } from "../../src/shared/config.ts";
import { startRedis } from "../support/a-redis.ts";
import { tataraAt } from "../support/run-tatara.ts";
import { tinyRepo } from "../support/sample-files.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { startTatara } from "../support/start-tatara.ts";
import type { Tatara } from "../support/start-tatara.ts";
import { waitForStatus } from "../support/wait-for.ts";

const run = promisify(execFile);
const REPO = "deep/tiny";
const CANARY = "a-canary-that-nobody-may-ever-find";

const TWICE = `INSERT INTO builds (id, repo, number, forge, event, sha, ref, "before", "after",
  message, authorName, pusher, trust, state, isReady, createdAt, endedAt)
  SELECT 'b-twice', repo, 3, forge, event, sha, ref, "before", "after",
  message, authorName, pusher, trust, state, isReady, createdAt, endedAt FROM builds WHERE number = 1`;

const SECOND_FINAL = `INSERT INTO statuses SELECT 's-x', repo, sha, context, 'failure', description,
  targetUrl, createdAt FROM statuses WHERE state = 'success';
  INSERT INTO statuses SELECT 's-y', repo, sha, context, 'success', description,
  targetUrl, createdAt FROM statuses WHERE id = 's-x'`;

let tatara: Tatara;
let passed: string;
let failed: string;

// One real Tatara makes what all cases read: a passed build with a package in a channel, a failed one.
beforeAll(async () => {
  tatara = await startTatara();
  const repo = await tatara.createRepo(REPO, tinyRepo());
  await repo.push();
  passed = (await tatara.until(`${REPO}#1`, "passed")).id;
  await repo.commit(tinyRepo({ test: "echo one; echo two; echo three; exit 3" }), "fails");
  await repo.push();
  failed = (await tatara.until(`${REPO}#2`, "failed")).id;
  const head = (await repo.git(["rev-parse", "HEAD"])).trim();
  await waitForStatus(tatara, REPO, head, "failure");
});

afterAll(async () => {
  await tatara[Symbol.asyncDispose]();
});

test("a Tatara that runs and is well: every promise kept, exit status 0", async () => {
  const { code, stdout } = await doctor(tatara.dataDir, "--json");
  const answer = JSON.parse(stdout) as { healthy: boolean; findings: unknown[] };
  expect(answer.findings).toEqual([]);
  expect(answer.healthy).toBe(true);
  expect(code).toBe(0);
});

describe("in a stopped Tatara's folder", () => {
  beforeAll(async () => {
    await tatara.supervisor.stop();
  });

  test("a clean one has no findings, and says what could not be judged", async () => {
    const { code, stdout } = await doctor(tatara.dataDir);
    expect(stdout).toContain("0 findings");
    expect(stdout).toContain("no build worker runs");
    expect(code).toBe(0);
  });

  test.each([
    ["I1", "its build is gone", "DELETE FROM builds WHERE number = 1"],
    ["I1", "neither a build nor a reason", "UPDATE deliveries SET buildId = NULL, reason = NULL"],
    ["I1", "was built again", TWICE],
    ["I1", "a number that is taken", "UPDATE repos SET nextNumber = 2"],
    ["I1", "no recorded push brought", "DELETE FROM deliveries"],
    ["I2", "has left its final state", "UPDATE builds SET state = 'running' WHERE number = 2"],
    ["I2", "while a part of it goes on", "UPDATE jobs SET state = 'running', endedAt = NULL"],
    ["I2", "its attempt is over", "UPDATE steps SET state = 'running' WHERE kind = 'test'"],
    ["I2", "a job of it is not", "UPDATE jobs SET state = 'failed' WHERE kind = 'build'"],
    ["I3", "the outbox wants", "UPDATE outbox SET state = 'success'"],
    ["I3", "shows another state", "DELETE FROM statuses WHERE state = 'failure'"],
    ["I3", "two final states", SECOND_FINAL],
    ["I5", "lists other packages", "DELETE FROM listings WHERE channel = 'dev'"],
    ["I6", "several contents", `UPDATE packages SET signedSha256 = '${"0".repeat(64)}'`],
    ["I8", "more builds of one repo", "UPDATE builds SET state = 'queued'"],
    ["I9", "never granted", "UPDATE steps SET attempt = 9 WHERE kind = 'test'"],
    ["I9", "no attempt that counted", `UPDATE artifacts SET sha256 = '${"0".repeat(64)}'`],
    ["I9", "is not passed", "UPDATE builds SET state = 'failed' WHERE number = 1"],
    ["I9", "its packages are not live", "UPDATE publishes SET state = 'failed'"],
  ])("%s: %s", async (invariant, what, sql) => {
    await using copy = await copyOf(tatara.dataDir);
    copy.execute(sql);
    const { code, stdout } = await doctor(copy.dataDir, "--json");
    const { findings } = JSON.parse(stdout) as { findings: Record<string, string>[] };
    const own = findings.filter((one) => one["invariant"] === invariant);
    expect(own.map((one) => one["what"]).join("\n")).toContain(what);
    for (const key of ["where", "evidence", "wayOut"]) expect(own[0]?.[key]).toBeTruthy();
    expect(code).toBe(1);
  });

  test("a status that its forge refused for good is a note, and no broken promise", async () => {
    await using copy = await copyOf(tatara.dataDir);
    copy.execute("UPDATE outbox SET terminalReason = '404: Not Found' WHERE state = 'failure'");

    const { code, stdout } = await doctor(copy.dataDir);

    expect(stdout).toMatch(/note: deep\/tiny #2: its commit does not show failure/);
    expect(stdout).toContain("404: Not Found");
    expect(stdout).toContain("0 findings, 1 note");
    expect(code).toBe(0);
  });

  test("I1: a log that lost its end", async () => {
    await using copy = await copyOf(tatara.dataDir);
    const [job] = copy.rows(`SELECT id, attempt FROM jobs WHERE buildId = '${failed}'`);
    const log = join("logs", failed, String(job?.["id"]), String(job?.["attempt"]), "test.log");
    await truncate(join(copy.dataDir, log), 3);
    expect(await findings(copy.world())).toContain("I1 a step's log is shorter");
  });

  test("I5 and I6: a byte in the pool, a byte in what is signed", async () => {
    await using copy = await copyOf(tatara.dataDir);
    const [row] = copy.rows("SELECT signedSha256, fileName FROM packages LIMIT 1");
    const sha256 = String(row?.["signedSha256"]);
    const rpm = join("yum/pool", sha256.slice(0, 2), sha256, String(row?.["fileName"]));
    await appendFile(join(copy.dataDir, rpm), "x");
    const seen = await findings(copy.world());
    expect(seen).toContain("I6 a package has other bytes");
    expect(seen).toContain("I5 what hosts get is not as it was signed");

    await using other = await copyOf(tatara.dataDir);
    await appendFile(join(other.dataDir, `${await repodata(other)}/repomd.xml`), " ");
    expect(await findings(other.world())).toContain("I5 what hosts get is not as it was signed");
  });

  test.each([
    "log/server.log",
    "logs/of-a-build.log",
    "worker/test/left.txt",
    "artifacts/some.bin",
  ])("I7: a secret in %s, plain or in base64", async (path) => {
    await using copy = await copyOf(tatara.dataDir);
    const world = copy.world({ secrets: [{ name: "CANARY", value: CANARY }] });

    expect(await findings(world)).not.toContain("I7");
    const spelled = Buffer.from(`xy${CANARY}`).toString("base64");
    await appendFile(join(copy.dataDir, path), `${"-".repeat(2 ** 20 - 20)}${spelled}`);
    expect(await findings(world)).toContain("I7 the secret CANARY can be read");
  });

  test("I7: a secret in Redis; I8: a ticket that nobody takes", async () => {
    await using redis = await startRedis();
    const tickets = openTickets({ redisUrl: redis.url, logger: silentLogger, onConnect: () => {} });
    await using copy = await copyOf(tatara.dataDir);
    using queues = await readQueues(redis.url);
    const world = copy.world({
      queues,
      isWorking: true,
      secrets: [{ name: "CANARY", value: CANARY }],
    });
    expect(await findings(world)).toBe("");
    await tickets.add("build", `j-unknown-1`);
    await tickets.add("report", CANARY);
    await tickets.close();
    const seen = await findings(world);
    expect(seen).toContain("I8 nobody takes a ticket");
    expect(seen).toContain("I7 the secret CANARY can be read");
  });

  test("I4: a container, a volume and a folder of an attempt that is over", async () => {
    const workerId = (await readFile(join(tatara.dataDir, "worker/test/id"), "utf8")).trim();
    const labels = (job: string) =>
      Object.entries({ worker: workerId, job, attempt: "1", step: "test" }).flatMap(
        ([name, value]) => ["--label", `dev.tatara.${name}=${value}`],
      );
    const name = `tatara-planted-${process.pid}`;
    await run("docker", ["create", "--name", name, ...labels("j-planted"), "tatara/base", "true"]);
    await run("docker", ["volume", "create", ...labels("j-planted"), name]);
    try {
      await using copy = await copyOf(tatara.dataDir);
      await mkdir(join(copy.dataDir, "worker/test/jobs/j-planted-1"), { recursive: true });
      await using world = await copy.openWorld();
      const seen = await findings({ ...world, isWorking: true });
      expect(seen).toContain(`container /${name}`);
      expect(seen).toContain(`volume ${name}`);
      expect(seen).toContain("jobs/j-planted-1");
    } finally {
      await run("docker", ["rm", "--force", name]);
      await run("docker", ["volume", "rm", "--force", name]);
    }
  });

  test("I8: a log beyond its cap, a process that eats", async () => {
    await using copy = await copyOf(tatara.dataDir);
    await writeFile(join(copy.dataDir, "logs", "long.log"), "");
    await truncate(join(copy.dataDir, "logs", "long.log"), 100 * 2 ** 20);
    const greedy = { name: "build", pid: 1, rssBytes: 2 ** 30, threads: 9 };
    const open = { openFiles: 1_000, openFilesMax: 1_024 };
    const processes = () => Promise.resolve([{ ...greedy, ...open }]);
    const seen = await findings(copy.world({ processes }));
    expect(seen).toContain("I8 a step's log is longer");
    expect(seen).toContain("I8 a process uses more memory");
    expect(seen).toContain("I8 a process has almost all files open");
  });

  test("I9: a log of an attempt that nobody granted", async () => {
    await using copy = await copyOf(tatara.dataDir);
    const [job] = copy.rows(`SELECT id FROM jobs WHERE buildId = '${passed}'`);
    const from = join(copy.dataDir, "logs", passed, String(job?.["id"]));
    await cp(join(from, "1"), join(from, "7"), { recursive: true });
    expect(await findings(copy.world())).toContain("I9 something was written by an attempt");
  });
});

async function doctor(dataDir: string, ...args: readonly string[]) {
  const env = { TATARA_DATA_DIR: dataDir, TATARA_WAITING_BUILDS_MAX: "1" };
  const cli = tataraAt({ url: tatara.url, adminToken: tatara.token });
  return await cli(["doctor", "--deep", ...args], { env, signal: AbortSignal.timeout(600_000) });
}

async function findings(world: World): Promise<string> {
  const { findings: found } = await verifyInvariants(world);
  return found.map(({ invariant, what, where }) => `${invariant} ${what}: ${where}`).join("\n");
}

interface Copy extends AsyncDisposable {
  readonly dataDir: string;
  execute(sql: string): void;
  rows(sql: string): readonly Record<string, unknown>[];
  openWorld(): Promise<OpenWorld>;
  world(with_?: Partial<World>): World;
}

/** The folder as the stopped Tatara left it, to be broken. */
async function copyOf(from: string): Promise<Copy> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-deep-"));
  const dataDir = join(dir, "data");
  await cp(from, dataDir, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  const database = <T>(work: (opened: DatabaseSync) => T): T => {
    const opened = new DatabaseSync(join(dataDir, "tatara.db"));
    try {
      return work(opened);
    } finally {
      opened.close();
    }
  };
  const signal = new AbortController().signal;
  const options = { dataDir, env: processEnv(), now: Date.now, signal };
  const world = await readWorld(options);
  return {
    dataDir,
    execute: (sql) => database((opened) => opened.exec(`PRAGMA foreign_keys = off; ${sql}`)),
    rows: (sql) => database((opened) => opened.prepare(sql).all()),
    openWorld: () => readWorld(options),
    world: (with_ = {}) => ({ ...world, ...with_ }),
    [Symbol.asyncDispose]: async () => {
      await world[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function repodata({ dataDir, rows }: Copy): Promise<string> {
  const [channel] = rows("SELECT name, head FROM channels WHERE name = 'dev'");
  const place = join("yum/channels/dev/g", String(channel?.["head"]));
  const text = await readFile(join(dataDir, place, "generation.json"), "utf8");
  const { targets } = JSON.parse(text) as { targets: Record<string, number> };
  const [target = "", made = 0] = Object.entries(targets)[0] ?? [];
  return join("yum/channels/dev/g", String(made), target, "repodata");
}
