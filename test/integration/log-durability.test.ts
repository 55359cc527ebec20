import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { openLogFiles } from "../../src/server/logs.ts";
import { openStore } from "../../src/server/store/store.ts";
import { ensureChannels } from "../../src/server/store/channels.ts";
import { processEnv } from "../../src/shared/config.ts";
import { LEASE_HEADER, PATHS } from "../../src/shared/protocol.ts";
import { aRunningJob } from "../support/store-rig.ts";
import { aFreePort } from "../support/free-port.ts";

const SERVER = join(import.meta.dirname, "../../src/server/main.ts");
const TOKEN = "a-build-token-for-tests";
const LEASE = "lease-of-the-job".padEnd(40, "-");
const END = { state: "failed", reason: "it failed", failure: null, packages: [] };

async function aFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-durable-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A data folder in which a worker holds a job. */
async function aHeldJob() {
  const dataDir = await aFolder();
  let ids = 0;
  const store = await openStore(join(dataDir, "tatara.db"), {
    now: Date.now,
    newId: (prefix) => `${prefix}-${(ids += 1)}`,
    buildUrl: (repo, number) => `http://ci.test/repos/${repo}/${number}`,
  });
  await store.write(ensureChannels);
  const job = await aRunningJob(store, { token: LEASE });
  await store.close();
  const logPath = join(dataDir, "logs", job.buildId, job.jobId, "1", "unit.log");
  return { ...job, dataDir, logPath };
}

async function aServerProcess(dataDir: string) {
  const port = await aFreePort();
  const child = spawn(process.execPath, [SERVER], {
    env: {
      PATH: processEnv()["PATH"],
      TATARA_DATA_DIR: dataDir,
      TATARA_PORT: String(port),
      TATARA_REDIS_URL: `unix://${join(dataDir, "no-redis.sock")}`,
      TATARA_BUILD_TOKEN: TOKEN,
      TATARA_PUBLISH_TOKEN: "a-publish-token-for-tests",
      TATARA_REPORT_TOKEN: "a-report-token-for-tests",
    },
    stdio: ["ignore", "pipe", "ignore"],
  });
  onTestFinished(() => kill(child));
  await once(createInterface({ input: child.stdout }), "line");
  const post = (path: string, type: string, body: string) =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": type, [LEASE_HEADER]: LEASE },
      body,
    });
  return {
    child,
    say: async (jobId: string, offset: number, text: string): Promise<unknown> => {
      const path = `${PATHS.log(jobId, "unit")}?offset=${offset}`;
      return await (await post(path, "application/octet-stream", text)).json();
    },
    end: async (jobId: string): Promise<number> =>
      (await post(PATHS.end(jobId), "application/json", JSON.stringify(END))).status,
    /** What it answers to an end whose worker has so many bytes of the log. */
    endSaying: async (jobId: string, unit: number): Promise<unknown> => {
      const end = JSON.stringify({ ...END, logs: { unit } });
      return await (await post(PATHS.end(jobId), "application/json", end)).json();
    },
  };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** The calls of a process while `work` is done, one per line, each where it was over. */
async function callsOf(
  { pid }: ChildProcess,
  work: () => Promise<void>,
): Promise<readonly string[]> {
  const output = join(await aFolder(), "calls");
  const calls = "trace=fsync,fdatasync,write,writev";
  const args = ["-f", "-y", "-s", "40", "-e", calls, "-o", output, "-p", String(pid)];
  const strace = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
  for await (const line of createInterface({ input: strace.stderr })) {
    if (/attached/.test(line)) break;
  }
  await work();
  strace.kill("SIGTERM");
  await once(strace, "exit");
  const begun = new Map<string, string>();
  return (await readFile(output, "utf8")).split("\n").flatMap((line) => {
    const [, thread = "", call = ""] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (call.endsWith("<unfinished ...>")) {
      begun.set(thread, call);
      return [];
    }
    return call.startsWith("<...") ? [`${begun.get(thread)} ${call}`] : [call];
  });
}

test("a log and its folders are on the disk before the end of its job is on record and answered", async () => {
  const { dataDir, jobId, buildId, logPath } = await aHeldJob();
  const server = await aServerProcess(dataDir);
  await server.say(jobId, 0, "one line\n");
  let status = 0;

  const calls = await callsOf(server.child, async () => {
    status = await server.end(jobId);
  });

  expect(status).toBe(200);
  const at = (part: string): number => calls.findIndex((call) => call.includes(part));
  const synced = calls.findIndex(
    (call) => call.startsWith("fdatasync(") && call.includes(`<${logPath}>`),
  );
  const folders = ["", buildId, join(buildId, jobId), join(buildId, jobId, "1")].map((name) =>
    at(`<${join(dataDir, "logs", name)}>`),
  );
  const answered = at("HTTP/1.1 200");
  const committed = calls
    .slice(0, answered)
    .findLastIndex((call) => /^f(data)?sync.*tatara\.db-wal>/.test(call));
  expect(synced).toBeGreaterThanOrEqual(0);
  expect(Math.min(...folders)).toBeGreaterThan(synced);
  expect(committed).toBeGreaterThan(Math.max(...folders));
});

/** A server that finds four bytes of the two lines that the one before it had been told. */
async function aLostTail() {
  const { dataDir, jobId, logPath } = await aHeldJob();
  const first = await aServerProcess(dataDir);
  await first.say(jobId, 0, "one line\nand another\n");
  await kill(first.child);
  await truncate(logPath, 4);
  const second = await aServerProcess(dataDir);
  return { dataDir, jobId, logPath, second };
}

test("of a log that lost its tail with the machine, the worker is asked for it again", async () => {
  const { jobId, logPath, second } = await aLostTail();

  const asked = await second.say(jobId, 21, "a third\n");
  const again = await second.say(jobId, 4, "line\nand another\na third\n");

  expect(asked).toEqual({ kind: "resend", fromBytes: 4 });
  expect(again).toEqual({ kind: "acknowledged", upToBytes: 29 });
  expect(await second.end(jobId)).toBe(200);
  expect(await readFile(logPath, "utf8")).toBe("one line\nand another\na third\n");
});

test("a job whose step had ended long before its log was lost ends once the log is whole again", async () => {
  const { dataDir, jobId, second } = await aLostTail();
  const stateOf = async (): Promise<string> => {
    using database = new DatabaseSync(join(dataDir, "tatara.db"), { readOnly: true });
    return String(database.prepare("select state from jobs where id = ?").get(jobId)?.["state"]);
  };

  const asked = await second.endSaying(jobId, 21);
  const before = await stateOf();
  await second.say(jobId, 4, "line\nand another\n");
  const answer = await second.endSaying(jobId, 21);

  expect(asked).toEqual({ resend: { unit: 4 } });
  expect(before).toBe("running");
  expect(answer).toEqual({});
  expect(await stateOf()).toBe("failed");
  // The answer was lost, and the worker says it once more.
  expect(await second.endSaying(jobId, 21)).toEqual({});
});

test("an attempt without a log ends as well, and one whose folder is none does not", async () => {
  const dir = await aFolder();
  const logs = openLogFiles(dir);
  const attempt = { buildId: "b-1", jobId: "j-1", attempt: 1 };
  await logs.sync(attempt);
  await writeFile(join(dir, "b-1"), "in the way");

  await expect(logs.sync(attempt)).rejects.toThrow("ENOTDIR");
  await logs.close();
});

test("many jobs that end at once have all of their logs synced", async () => {
  const dir = await aFolder();
  const logs = openLogFiles(dir);
  const attempts = Array.from({ length: 20 }, (_none, job) => {
    return { buildId: "b-1", jobId: `j-${job}`, attempt: 1 };
  });
  for (const attempt of attempts) {
    for (const step of ["unit", "lint", "package"]) {
      await logs.append({ ...attempt, step }, 0, Buffer.from("a line\n"));
    }
  }

  await expect(Promise.all(attempts.map(logs.sync))).resolves.toHaveLength(20);
  await logs.close();
});
