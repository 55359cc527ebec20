import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLogger } from "../../src/shared/logger.ts";
import { openTickets } from "../../src/shared/queues.ts";
import type { SwitchAnswer } from "../../src/shared/publish-messages.ts";
import { dnfClient } from "../support/dnf-client.ts";
import { makeRpm } from "../support/make-rpm.ts";
import { makeKeysDir, startPublishRig } from "../support/publish-rig.ts";
import type { PublishRig } from "../support/publish-rig.ts";
import { until } from "../support/until.ts";

const TARGET = "debian12.x86_64";
const MAIN = resolve("workers/publish/main.ts");
const ONCE = resolve("test/fixtures/processes/publish-once.ts");
const quiet = createLogger({ process: "test", level: "error", now: Date.now });
let keys: Awaited<ReturnType<typeof makeKeysDir>>;

beforeAll(async () => {
  keys = await makeKeysDir();
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
});

interface Worker extends AsyncDisposable {
  readonly redisUrl: string;
  /** Sends SIGTERM; answers the exit code. */
  stop(): Promise<number | null>;
}

async function startRedis(): Promise<{ readonly redisUrl: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-redis-"));
  const socket = join(folder, "redis.sock");
  const form = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder];
  const redis = spawn("redis-server", form, { stdio: "ignore" });
  await until(async () => (await readdir(folder)).includes("redis.sock"), true);
  return {
    redisUrl: `unix://${socket}`,
    [Symbol.asyncDispose]: async () => {
      await end(redis, "SIGTERM");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The real process, on the rig's data folder and server. */
async function startWorker(rig: PublishRig, redisUrl: string): Promise<Worker> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    TATARA_DATA_DIR: rig.dataDir,
    TATARA_SERVER_URL: rig.server.url,
    TATARA_WORKER_TOKEN: rig.server.token,
    TATARA_REDIS_URL: redisUrl,
  };
  const worker = spawn(process.execPath, [MAIN], { env, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  worker.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  await until(() => log.includes("Publish worker is ready"), true);
  return {
    redisUrl,
    stop: () => end(worker, "SIGTERM"),
    [Symbol.asyncDispose]: async () => {
      await end(worker, "SIGKILL");
    },
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
  return child.exitCode;
}

describe("the worker's process", () => {
  test("publishes at a ticket, and ends at SIGTERM without leaving anything", async () => {
    await using redis = await startRedis();
    await using rig = await startPublishRig(keys);
    await using worker = await startWorker(rig, redis.redisUrl);
    const id = rig.server.offer({ packages: [{ rpm: await makeRpm({ name: "hello" }) }] });
    const tickets = openTickets({ ...redis, logger: quiet, onConnect: () => undefined });
    // While it connects it refuses, as for the reconciler.
    const add = () =>
      tickets.add("publish", id).then(
        () => true,
        () => false,
      );
    await until(add, true);

    await until(() => rig.server.endOf(id)?.kind, "live", { deadlineMs: 60_000 });
    const code = await worker.stop();
    await tickets.close();

    expect(code).toBe(0);
    expect(await rig.files("staging")).toEqual([]);
  });

  test("finds at its start what no ticket told it", async () => {
    await using redis = await startRedis();
    await using rig = await startPublishRig(keys);
    const id = rig.server.offer({ packages: [{ rpm: await makeRpm({ name: "hello" }) }] });

    await using _ = await startWorker(rig, redis.redisUrl);

    await until(() => rig.server.endOf(id)?.kind, "live", { deadlineMs: 60_000 });
  });

  test("hands back at SIGTERM what it cannot finish, within its deadline", async () => {
    await using redis = await startRedis();
    await using rig = await startPublishRig(keys);
    // A server that cannot switch now: the worker asks until it is told to stop.
    rig.server.scripted.switchAnswers.push(...Array.from({ length: 100 }, () => () => 503));
    const id = rig.server.offer({ packages: [{ rpm: await makeRpm({ name: "hello" }) }] });
    await using worker = await startWorker(rig, redis.redisUrl);
    await until(() => rig.server.scripted.switchAnswers.length < 100, true);

    const code = await worker.stop();

    // Past its deadline it ends itself with another status.
    expect(code).toBe(0);
    expect(rig.server.endOf(id)).toEqual({ kind: "handed-back" });
  });

  test("hands back a publish whose build is cancelled", async () => {
    await using redis = await startRedis();
    await using rig = await startPublishRig(keys);
    rig.server.scripted.switchAnswers.push(...Array.from({ length: 100 }, () => () => 503));
    rig.server.scripted.cancel = true;
    const id = rig.server.offer({ packages: [{ rpm: await makeRpm({ name: "hello" }) }] });

    await using _ = await startWorker(rig, redis.redisUrl);

    await until(() => rig.server.endOf(id), { kind: "handed-back" });
    await until(() => readdir(join(rig.yumDir, "staging")), ["verifier"]);
  });

  test("says nothing more once another attempt has the lease, and takes the next publish", async () => {
    await using redis = await startRedis();
    await using rig = await startPublishRig(keys);
    rig.server.scripted.switchAnswers.push(...Array.from({ length: 3 }, () => () => 503));
    const rpm = await makeRpm({ name: "next" });
    const lost = rig.server.offer({ packages: [{ rpm: await makeRpm({ name: "lost" }) }] });
    await using _ = await startWorker(rig, redis.redisUrl);
    await until(() => rig.server.scripted.switchAnswers.length < 3, true);

    const next = rig.server.offer({ packages: [{ rpm }] });
    rig.server.grant(lost);

    await until(() => rig.server.endOf(next)?.kind, "live");
    expect(rig.server.endOf(lost)).toBeUndefined();
    await until(() => readdir(join(rig.yumDir, "staging")), ["verifier"]);
  });
});

describe("kill -9", () => {
  // Each point says what the server does when it is asked; the publisher dies then and there.
  type Point = "package" | "check" | "switch" | "after the switch";

  test.each<Point>(["package", "check", "switch", "after the switch"])(
    "at %s: nothing is served that was not announced, and the next attempt ends it",
    async (point) => {
      await using rig = await startPublishRig(keys);
      await rig.publish([await makeRpm({ name: "before" })]);
      const rpm = await makeRpm({ name: "hello" });
      const id = rig.server.offer({ packages: [{ rpm }] });
      const grant = JSON.stringify(rig.server.grant(id));
      const { url, token } = rig.server;
      const child = spawn(process.execPath, [ONCE, url, token, rig.dataDir, grant], {
        stdio: "ignore",
      });
      killAt(point, rig, child);
      await once(child, "exit");

      expect(child.signalCode).toBe("SIGKILL");
      const isLive = point === "after the switch";
      const head = rig.server.heads.get("dev")?.head ?? 0;
      expect(rig.server.endOf(id)?.kind).toBe(isLive ? "live" : undefined);
      const above = await fetch(`${url}/yum/dev/${TARGET}/g/${head + 1}/repodata/repomd.xml`);
      expect(above.status).toBe(404);

      // A new life of the worker removes what was left, and publishes once.
      await rig.reopen();
      expect(await rig.files("staging")).toEqual([]);
      if (!isLive) expect((await rig.again(id))?.kind).toBe("live");
      const pool = await rig.files("pool");
      expect(pool.filter((file) => file.includes("hello"))).toHaveLength(1);
      await using client = await dnfClient({ repoUrl: `${url}/yum/dev.repo` });
      expect(await client.install("hello", "before")).toMatchObject({ code: 0 });
    },
  );

  test("during an import: the next attempt publishes the same files once", async () => {
    await using rig = await startPublishRig(keys);
    const folder = await mkdtemp(join(tmpdir(), "tatara-killed-import-"));
    const rpms = [await makeRpm({ name: "one" }), await makeRpm({ name: "two" })];
    for (const { fileName, bytes } of rpms) await writeFile(join(folder, fileName), bytes);
    const id = rig.server.offerGrant((base) => ({
      ...base,
      kind: "import",
      channel: rig.server.channel("dev"),
      target: TARGET,
      folder,
      foreignSignatures: "refuse",
    }));
    const { url, token } = rig.server;
    const grant = JSON.stringify(rig.server.grant(id));
    const child = spawn(process.execPath, [ONCE, url, token, rig.dataDir, grant], {
      stdio: "ignore",
    });
    killAt("switch", rig, child);
    await once(child, "exit");
    const pooled = await rig.files("pool");

    await rig.reopen();
    const end = await rig.again(id);
    await rm(folder, { recursive: true });

    expect(child.signalCode).toBe("SIGKILL");
    expect(end?.kind).toBe("live");
    expect(rig.server.switches).toHaveLength(1);
    expect(pooled).toHaveLength(2);
    expect(await rig.files("pool")).toEqual(pooled);
    expect(await rig.files("staging")).toEqual([]);
  });

  function killAt(point: Point, { server }: PublishRig, child: ChildProcess): void {
    const die = (): number => {
      child.kill("SIGKILL");
      return 503;
    };
    const dieLive = (): SwitchAnswer => {
      child.kill("SIGKILL");
      return { kind: "live" };
    };
    if (point === "package") server.scripted.packageAnswers.push(die);
    if (point === "check") server.scripted.checkAnswers.push(die);
    if (point === "switch") server.scripted.switchAnswers.push(die);
    if (point === "after the switch") server.scripted.switchAnswers.push(dieLive);
  }
});
