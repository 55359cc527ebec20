import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { quantile, round } from "../support/quantiles.ts";

const BULK = 500;
const MIB = 2 ** 20;

/** BullMQ by itself: so many jobs with the facts of a push added, then some taken one by one. */
export async function ticketsAlone(redisUrl: string, count: number, taken: number) {
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null });
  await connection.flushall();
  const queue = new Queue("bench", { connection });
  const startedAt = performance.now();
  for (let first = 0; first < count; first += BULK) {
    await queue.addBulk(
      Array.from({ length: BULK }, (_none, index) => ({
        name: "build",
        data: facts(first + index),
      })),
    );
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const info = await connection.info("memory");
  const redisMib = round(Number(/^used_memory:(\d+)/m.exec(info)?.[1]) / MIB);
  const times: number[] = [];
  const worker = new Worker("bench", null, { connection, autorun: false });
  for (let i = 0; i < taken; i += 1) {
    const askedAt = performance.now();
    const job = await worker.getNextJob("bench-token");
    if (job === undefined) throw new Error("The peer's queue is empty.");
    times.push(performance.now() - askedAt);
  }
  await worker.close(true);
  await queue.close();
  connection.disconnect();
  return {
    addPerSecond: Math.round(count / seconds),
    takeP50Ms: quantile(times, 0.5),
    takeP99Ms: quantile(times, 0.99),
    redisMib,
  };
}

function facts(serial: number): object {
  const sha = serial.toString(16).padStart(40, "0");
  const repo = `bench/repo-${serial % 40}`;
  return { repo, ref: "refs/heads/main", before: "b".repeat(40), after: sha, pusher: "dev1" };
}
