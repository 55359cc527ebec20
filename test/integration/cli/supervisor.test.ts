import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { processEnv } from "../../../src/shared/config.ts";
import { DataDirInUse, StartFailed, startSupervisor } from "../../../src/cli/supervisor.ts";
import type { SupervisorEvent } from "../../../src/cli/supervisor.ts";
import type { ProcessSpec, ProcessTable } from "../../../src/cli/processes/process-table.ts";
import { PROCESSES } from "../../../src/cli/processes/process-table.ts";
import { isAlive } from "../../../src/cli/processes/is-alive.ts";
import { until } from "../../support/until.ts";

const FIXTURES = join(import.meta.dirname, "../../fixtures/processes");

test("a process that dies is started again, the server on the port it had", async () => {
  await using place = await makePlace();
  await using supervisor = await start(place);
  const before = supervisor.pidOf("server");

  supervisor.kill("server", "SIGKILL");

  await until(() => supervisor.restartCount("server"), 1);
  await until(async () => (await fetch(supervisor.url).catch(() => undefined))?.status, 200);
  expect(supervisor.pidOf("server")).not.toBe(before);
});

test("the pause before another start grows while a process keeps dying", async () => {
  await using place = await makePlace();
  const pauses: number[] = [];
  const onEvent = (event: SupervisorEvent) => {
    if (event.kind === "ended" && event.process === "report") pauses.push(event.pauseMs);
  };

  await using _supervisor = await start(place, { report: "dies-at-once.ts" }, onEvent);

  await until(() => pauses.length >= 4, true);
  expect(pauses.slice(0, 4)).toEqual([200, 400, 800, 1_600]);
});

test("redis that is killed comes back with its data, behind a socket that only we may open", async () => {
  await using place = await makePlace();
  await using supervisor = await start(place);
  const socket = join(place.dataDir, "redis", "redis.sock");
  expect(await ask(socket, "SET key value")).toBe("+OK");
  expect((await stat(join(place.dataDir, "redis"))).mode & 0o777).toBe(0o700);

  // Appended each second.
  await until(async () => (await appendedTo(place.dataDir)).includes("value"), true);
  supervisor.kill("redis", "SIGKILL");
  await until(() => supervisor.restartCount("redis"), 1);

  await until(() => ask(socket, "GET key"), "$5");
  expect(await ask(socket, "CONFIG GET maxmemory-policy", 4)).toBe("noeviction");
});

test("a redis that cannot read its file starts empty", async () => {
  await using place = await makePlace();
  {
    await using supervisor = await start(place);
    await ask(join(supervisor.dataDir, "redis", "redis.sock"), "SET key value");
  }
  await damageAppendOnlyFile(place.dataDir);

  await using supervisor = await start(place);

  expect(await ask(join(supervisor.dataDir, "redis", "redis.sock"), "GET key")).toBe("$-1");
});

test("redis whose folder was emptied, taken away or broken comes back", async () => {
  await using place = await makePlace();
  await using supervisor = await start(place);
  const dir = join(place.dataDir, "redis");
  for (const empty of [
    () => rm(join(dir, "appendonlydir"), { recursive: true }),
    () => rm(dir, { recursive: true }),
    () => damageManifest(place.dataDir),
  ]) {
    await empty();
    supervisor.kill("redis", "SIGKILL");
    await until(() => supervisor.pidOf("redis"), undefined);
    await until(() => ask(join(dir, "redis.sock"), "PING"), "+PONG");
  }

  expect(supervisor.restartCount("redis")).toBeGreaterThanOrEqual(3);
});

test("redis that may not write where its files are runs without them", async () => {
  await using place = await makePlace();
  await using supervisor = await start(place);
  const dir = join(place.dataDir, "redis");
  await rm(join(dir, "appendonlydir"), { recursive: true });
  await writeFile(join(dir, "appendonlydir"), "a file where a folder should be");
  await writeFile(join(dir, "appendonlydir.broken"), "");

  supervisor.kill("redis", "SIGKILL");
  await until(() => supervisor.restartCount("redis") >= 1, true);

  await until(() => ask(join(dir, "redis.sock"), "PING"), "+PONG");
});

test("redis also runs for a folder whose path is too long for a socket", async () => {
  await using place = await makePlace();
  const dataDir = join(place.dataDir, "long".repeat(30));

  await using supervisor = await start({ dataDir });

  expect(supervisor.pidOf("redis")).toBeGreaterThan(0);
});

test("workers end first, then the server, then redis", async () => {
  await using place = await makePlace();
  const supervisor = await start(place);
  const workers = (["build", "publish", "report"] as const).map((name) => supervisor.pidOf(name));
  const server = supervisor.pidOf("server");
  const redis = supervisor.pidOf("redis");

  await supervisor.stop();

  const lives = await livesIn(place.dataDir);
  const at = (pid: number | undefined, event: string) =>
    lives.findIndex((life) => life.pid === pid && life.event === event);
  for (const worker of workers)
    expect(at(worker, "ended")).toBeLessThan(at(server, "ending by SIGTERM"));
  expect([...workers, server, redis].filter((pid) => pid && isAlive(pid))).toEqual([]);
});

test("workers hand their work back, unless they are told that the next start carries on", async () => {
  await using place = await makePlace();
  const endings = async (
    how: "goodbye" | "hand-back",
  ): Promise<readonly (string | undefined)[]> => {
    const supervisor = await start(place);
    const pids = (["build", "publish", "report", "server"] as const).map(supervisor.pidOf);
    await supervisor.stop(how);
    const lives = await livesIn(place.dataDir);
    return pids.map(
      (pid) => lives.find((life) => life.pid === pid && life.event.startsWith("ending"))?.event,
    );
  };
  const [int, term] = ["ending by SIGINT", "ending by SIGTERM"];
  expect(await endings("hand-back")).toEqual([int, int, int, term]);
  expect(await endings("goodbye")).toEqual([term, term, term, term]);
});

test("a worker that ignores SIGTERM is ended by force, all within 20 seconds", async () => {
  await using place = await makePlace();
  const supervisor = await start(place, { publish: "ignores-sigterm.ts" });
  const pid = supervisor.pidOf("publish");
  const startedAt = performance.now();

  await supervisor.stop();

  expect(performance.now() - startedAt).toBeLessThan(20_000);
  expect(isAlive(pid ?? 0)).toBe(false);
});

test("no process sees the secrets of another", async () => {
  await using place = await makePlace();
  const secrets = {
    TATARA_ADMIN_TOKEN: "admin-token-admin-token",
    TATARA_GITHUB_WEBHOOK_SECRET: "webhook-secret-webhook",
    TATARA_GITHUB_READ_TOKEN: "read-token-read-token-",
    TATARA_GITHUB_STATUS_TOKEN: "status-token-status-tok",
    TATARA_WORKER_TOKEN: "leaked-token-leaked-tok",
    AWS_SECRET_ACCESS_KEY: "of-someone-else",
    DOCKER_HOST: "unix:///somewhere.sock",
  };
  const processes = {
    server: { ...PROCESSES.server, script: fixture("behaves.ts") },
    workers: PROCESSES.workers.map((spec) => ({ ...spec, script: fixture("behaves.ts") })),
  };

  await using supervisor = await startSupervisor({
    dataDir: place.dataDir,
    env: { ...processEnv(), TATARA_PORT: "0", ...secrets },
    processes,
    signal: AbortSignal.timeout(120_000),
  });

  const lives = await livesIn(place.dataDir);
  const seenBy = (name: "server" | "build" | "publish" | "report") => {
    const env = lives.find((life) => life.pid === supervisor.pidOf(name))?.env ?? {};
    return Object.keys(secrets).filter((secret) => env[secret] !== undefined);
  };
  expect(seenBy("server")).toEqual([
    "TATARA_ADMIN_TOKEN",
    "TATARA_GITHUB_WEBHOOK_SECRET",
    "TATARA_GITHUB_READ_TOKEN",
  ]);
  expect(seenBy("build")).toEqual(["TATARA_WORKER_TOKEN", "DOCKER_HOST"]);
  expect(seenBy("publish")).toEqual(["TATARA_WORKER_TOKEN"]);
  expect(seenBy("report")).toEqual(["TATARA_GITHUB_STATUS_TOKEN", "TATARA_WORKER_TOKEN"]);
  const tokens = lives.map((life) => life.env["TATARA_WORKER_TOKEN"]).filter(Boolean);
  expect(new Set(tokens).size).toBe(3);
  expect(tokens).not.toContain(secrets.TATARA_WORKER_TOKEN);
});

test("the children of a supervisor that is killed end too, and the next one waits for that", async () => {
  await using place = await makePlace();
  const child = spawn(process.execPath, [fixture("supervisor.ts"), place.dataDir], {
    env: { ...processEnv(), TATARA_PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const { pids } = JSON.parse(line) as { pids: number[] };
  expect(pids.every(isAlive)).toBe(true);

  child.kill("SIGKILL");
  await using _next = await start(place);

  expect(pids.filter(isAlive)).toEqual([]);
});

test("a second supervisor in the same folder is refused by name", async () => {
  await using place = await makePlace();
  await using _supervisor = await start(place);

  await expect(start(place)).rejects.toThrow(DataDirInUse);
  await expect(start(place)).rejects.toThrow(String(process.pid));
});

test("a server that cannot start is an error with its last words, and leaves nothing", async () => {
  await using place = await makePlace();

  const failing = start(place, { server: "dies-at-once.ts" });

  await expect(failing).rejects.toThrow(StartFailed);
  await expect(failing).rejects.toThrow("cannot find my settings");
  await using _free = await start(place);
});

test("what a process logs is kept in a file of its name and handed on", async () => {
  await using place = await makePlace();
  const lines: string[] = [];
  const onEvent = (event: SupervisorEvent) => {
    if (event.kind === "logged" && event.process === "build") lines.push(event.line);
  };

  await using _supervisor = await start(place, {}, onEvent);

  await until(() => lines.length, 1);
  expect(await readFile(join(place.dataDir, "log", "build.log"), "utf8")).toBe(`${lines[0]}\n`);
});

type Scripts = Partial<Record<"server" | "build" | "publish" | "report", string>>;

function start(
  place: { readonly dataDir: string },
  scripts: Scripts = {},
  onEvent: (event: SupervisorEvent) => void = () => undefined,
) {
  const signal = AbortSignal.timeout(120_000);
  const env = { ...processEnv(), TATARA_PORT: "0" };
  return startSupervisor({
    dataDir: place.dataDir,
    env,
    processes: table(scripts),
    onEvent,
    signal,
  });
}

function table(scripts: Scripts): ProcessTable {
  const spec = <N extends keyof Scripts>(name: N): ProcessSpec<N> => ({
    name,
    script: fixture(scripts[name] ?? "behaves.ts"),
    settings: name === "server" ? ["TATARA_DATA_DIR", "TATARA_PORT"] : ["TATARA_DATA_DIR"],
  });
  return { server: spec("server"), workers: [spec("build"), spec("publish"), spec("report")] };
}

function fixture(name: string): string {
  return join(FIXTURES, name);
}

async function makePlace() {
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-supervisor-"));
  return {
    dataDir,
    [Symbol.asyncDispose]: () => rm(dataDir, { recursive: true, force: true }),
  };
}

interface Life {
  readonly event: string;
  readonly pid: number;
  readonly env: Readonly<Record<string, string>>;
}

async function livesIn(dataDir: string): Promise<readonly Life[]> {
  const lines = (await readFile(join(dataDir, "lives"), "utf8")).trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Life);
}

/** One command over Redis's inline protocol; answers with one line of what comes back. */
async function ask(socket: string, command: string, lineNumber = 0): Promise<string | undefined> {
  const connection = connect(socket);
  try {
    connection.write(`${command}\r\n`);
    const [answer] = (await once(connection, "data")) as [Buffer];
    return answer.toString().split("\r\n")[lineNumber];
  } catch {
    return undefined;
  } finally {
    connection.destroy();
  }
}

async function appendedTo(dataDir: string): Promise<string> {
  return readFile(join(dataDir, "redis/appendonlydir/appendonly.aof.1.incr.aof"), "utf8");
}

async function damageManifest(dataDir: string): Promise<void> {
  await writeFile(join(dataDir, "redis/appendonlydir/appendonly.aof.manifest"), "what is this\n");
}

async function damageAppendOnlyFile(dataDir: string): Promise<void> {
  const path = join(dataDir, "redis/appendonlydir/appendonly.aof.1.incr.aof");
  await writeFile(path, `not an append-only file\r\n${"x".repeat(1_000)}`);
}
