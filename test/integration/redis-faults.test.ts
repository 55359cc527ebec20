import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { processEnv } from "../../src/shared/config.ts";
import { consumeTickets, openTickets } from "../../src/shared/queues.ts";
import { openRedisWatch } from "../../src/shared/redis-watch.ts";
import { startRedis } from "../support/a-redis.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { swallowingGate } from "../support/swallowing-gate.ts";
import { until } from "../support/until.ts";

const SERVER = join(import.meta.dirname, "../../src/server/main.ts");

async function aRedis() {
  const redis = await startRedis();
  const socket = redis.url.replace("unix://", "");
  const client = new Redis(socket);
  onTestFinished(async () => {
    client.disconnect();
    await redis[Symbol.asyncDispose]();
  });
  return { redisUrl: redis.url, socket, client };
}

function ticketsOf(redisUrl: string, ticketsMax?: number) {
  const tickets = openTickets({
    redisUrl,
    logger: silentLogger,
    onConnect: () => undefined,
    ...(ticketsMax === undefined ? {} : { ticketsMax }),
  });
  onTestFinished(() => tickets.close());
  return tickets;
}

type Tickets = ReturnType<typeof ticketsOf>;

/** Its first call may come before the connection. */
async function addSoon(tickets: Tickets, ids: readonly string[]) {
  const isAdded = () =>
    tickets.addAll("build", ids).then(
      () => true,
      () => false,
    );
  await until(isAdded, true);
}

/** A consumer that has shown with a first ticket that it takes them. */
async function workingConsumer(redisUrl: string, tickets: Tickets) {
  let taken = 0;
  const consumer = consumeTickets({
    queue: "build",
    redisUrl,
    logger: silentLogger,
    onTicket: () => {
      taken += 1;
      return Promise.resolve();
    },
  });
  onTestFinished(() => consumer.close());
  const takenCount = () => taken;
  await addSoon(tickets, ["j-1"]);
  await until(takenCount, 1);
  return { consumer, takenCount };
}

function watchOf(redisUrl: string, changes: Partial<Parameters<typeof openRedisWatch>[0]> = {}) {
  const watch = openRedisWatch({
    redisUrl,
    logger: silentLogger,
    now: Date.now,
    newEpoch: () => "same",
    onForgotten: () => undefined,
    ...changes,
  });
  onTestFinished(() => watch.close());
  return watch;
}

test("beyond the cap tickets are not written, and again once there is room", async () => {
  const { redisUrl, client } = await aRedis();
  const tickets = ticketsOf(redisUrl, 50);
  const ids = (from: number, count: number) =>
    Array.from({ length: count }, (_none, index) => `j-${from + index}`);
  await addSoon(tickets, ids(0, 30));
  await tickets.addAll("build", ids(30, 40));
  await tickets.addAll("publish", ids(200, 40));
  expect(await tickets.depth("build")).toBe(50);
  expect(await tickets.depth("publish")).toBe(0);

  await client.flushall();
  const depth = async () => {
    await tickets.addAll("build", ids(100, 3));
    return await tickets.depth("build");
  };
  await until(depth, 3);
});

test("what Redis forgot is noticed without a new connection, and after each: emptied, or an old state", async () => {
  const { redisUrl, client } = await aRedis();
  let forgotten = 0;
  let epochs = 0;
  const watch = watchOf(redisUrl, {
    newEpoch: () => `epoch-${(epochs += 1)}`,
    onForgotten: () => (forgotten += 1),
  });
  await until(() => client.get("tatara:epoch"), "epoch-1");
  await watch.look();
  expect(forgotten).toBe(0);

  await client.flushall();
  await watch.look();
  expect(forgotten).toBe(1);
  expect(watch.warnings().join()).toContain("Redis lost what it held");

  // As after a failover to a replica that lagged behind.
  await client.set("tatara:epoch", "epoch-1");
  await watch.look();
  expect(forgotten).toBe(2);
  await watch.look();
  expect(forgotten).toBe(2);
});

test("a Redis that is nearly full, or that evicts, is told; one that is full stops nobody", async () => {
  const { redisUrl, client } = await aRedis();
  const watch = watchOf(redisUrl);
  expect(await watch.policyAtStart()).toBe("noeviction");
  expect(watch.warnings()).toEqual([]);

  // Beside this much, connections that come and go do not count.
  await client.setrange("ballast", 16 * 2 ** 20, "x");
  const used = Number(/used_memory:(\d+)/.exec(await client.info("memory"))?.[1]);
  await client.config("SET", "maxmemory", String(Math.round(used * 1.05)));
  await client.config("SET", "maxmemory-policy", "allkeys-lru");
  await watch.look();
  expect(watch.warnings().join("\n")).toMatch(
    /maxmemory-policy allkeys-lru.*uses 9\d % of its memory/s,
  );

  await client.config("SET", "maxmemory-policy", "noeviction");
  const tickets = ticketsOf(redisUrl);
  await until(() => tickets.depth("build").catch(() => -1), 0);
  await client.config("SET", "maxmemory", "1");
  await expect(tickets.add("build", "j-1")).rejects.toThrow("OOM");
  await watch.look();

  await client.config("SET", "maxmemory", "0");
  await tickets.add("build", "j-1");
  expect(await tickets.depth("build")).toBe(1);
});

test("a Redis that answers and takes no writes, for its disk refuses them, is told until it does", async () => {
  const { redisUrl, client } = await aRedis();
  const watch = watchOf(redisUrl);
  await until(() => client.get("tatara:epoch"), "same");
  const [, dir = ""] = await client.config("GET", "dir");
  const inTheWay = join(dir, "dump.rdb");
  const status = async () => /rdb_last_bgsave_status:(\w+)/.exec(await client.info())?.[1];
  const save = async () => {
    await client.bgsave().catch(() => undefined);
    return await status();
  };
  await client.config("SET", "save", "3600 1");
  await mkdir(inTheWay);
  await until(save, "err");

  await watch.look();
  expect(watch.warnings().join()).toMatch(/takes no writes \(MISCONF/);

  await rmdir(inTheWay);
  await until(save, "ok");
  await watch.look();
  expect(watch.warnings()).toEqual([]);
});

test("a consumer to whom no ticket comes although all looks well is opened anew at the second hint", async () => {
  const { redisUrl, client } = await aRedis();
  const tickets = ticketsOf(redisUrl);
  const { consumer, takenCount } = await workingConsumer(redisUrl, tickets);
  const before = await connectionIds(client);
  const areThere = async () => {
    const now = new Set(await connectionIds(client));
    return before.every((id) => now.has(id));
  };

  consumer.foundUnannounced();
  expect(await areThere()).toBe(true);
  consumer.foundUnannounced();
  await until(areThere, false);
  await tickets.add("build", "j-2");
  await until(takenCount, 2);
});

test("a line that swallows everything is found dead, and tickets come again over a new one", async () => {
  const { redisUrl, socket } = await aRedis();
  await using gate = await swallowingGate(socket);
  const tickets = ticketsOf(redisUrl);
  const { takenCount } = await workingConsumer(gate.url, tickets);

  gate.swallow();
  await tickets.add("build", "j-2");

  await until(takenCount, 2, { deadlineMs: 60_000 });
});

test("a consumer whose Redis goes away while it closes does not wait for it", async () => {
  const { redisUrl, socket } = await aRedis();
  await using gate = await swallowingGate(socket);
  const tickets = ticketsOf(redisUrl);
  const taken = Promise.withResolvers<void>();
  const claimed = Promise.withResolvers<void>();
  const consumer = consumeTickets({
    queue: "build",
    redisUrl: gate.url,
    logger: silentLogger,
    onTicket: async () => {
      taken.resolve();
      await claimed.promise;
    },
  });
  await addSoon(tickets, ["j-1"]);
  await taken.promise;

  let isClosed = false;
  void consumer.close().then(() => (isClosed = true));
  await gate[Symbol.asyncDispose]();
  // Nobody takes the answer that this ticket is done.
  claimed.resolve();

  await until(() => isClosed, true, { deadlineMs: 20_000 });
});

test("a server does not start on a Redis that throws tickets away, unless it is told to", async () => {
  const { redisUrl, client } = await aRedis();
  await client.config("SET", "maxmemory-policy", "allkeys-lru");

  const { code, said } = await launch({ TATARA_REDIS_URL: redisUrl });
  expect(code).toBe(2);
  expect(said).toMatch(/maxmemory-policy is allkeys-lru.*CONFIG SET.*TATARA_REDIS_MAY_EVICT=true/s);

  const told = await launch({ TATARA_REDIS_URL: redisUrl, TATARA_REDIS_MAY_EVICT: "true" });
  expect(told.said).toContain('{"ready":true');
});

async function connectionIds(client: Redis): Promise<readonly string[]> {
  const list = String(await client.client("LIST"));
  return [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => id ?? "");
}

/** A server until it says that it is ready, or ends. */
async function launch(settings: Readonly<Record<string, string>>) {
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-policy-"));
  const child = spawn(process.execPath, [SERVER], {
    env: {
      PATH: processEnv()["PATH"],
      TATARA_DATA_DIR: dataDir,
      TATARA_PORT: "0",
      TATARA_BUILD_TOKEN: "a-build-token-for-tests",
      TATARA_PUBLISH_TOKEN: "a-publish-token-for-tests",
      TATARA_REPORT_TOKEN: "a-report-token-for-tests",
      ...settings,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    child.kill("SIGKILL");
  });
  const [code] = (await once(child, "close")) as [number | null];
  await rm(dataDir, { recursive: true, force: true });
  return { code, said };
}
