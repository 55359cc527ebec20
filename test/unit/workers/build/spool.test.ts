import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Stopped } from "../../../../src/domain/stop.ts";
import type { LogAnswer } from "../../../../src/shared/build-messages.ts";
import { CHUNK_BYTES_MAX, openSpool } from "../../../../workers/build/log/spool.ts";
import { spoolBudget } from "../../../../workers/build/log/spool-budget.ts";
import { openStepLog } from "../../../../workers/build/log/step-log.ts";
import { until } from "../../../support/until.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tatara-spool-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** A server that appends by offset, as the real one does. */
function appendingServer() {
  let log: Buffer = Buffer.alloc(0);
  const sizes: number[] = [];
  const send = async (offset: number, bytes: Buffer): Promise<LogAnswer> => {
    sizes.push(bytes.length);
    if (offset > log.length) return { kind: "resend", fromBytes: log.length };
    log = Buffer.concat([log, bytes.subarray(log.length - offset)]);
    return { kind: "acknowledged", upToBytes: log.length };
  };
  return {
    send,
    sizes,
    log: () => log,
    forget: (bytes: number) => void (log = log.subarray(0, log.length - bytes)),
  };
}

test("bytes arrive in order and whole, in chunks of bounded size", async () => {
  const server = appendingServer();
  const spool = await openSpool(join(dir, "a.log"), { send: server.send, budget: spoolBudget() });
  const bytes = Buffer.alloc(3 * CHUNK_BYTES_MAX + 17, "0123456789");

  for (let at = 0; at < bytes.length; at += 10_007)
    void spool.write(bytes.subarray(at, at + 10_007));
  await spool.drain();

  expect(server.log().equals(bytes)).toBe(true);
  expect(Math.max(...server.sizes)).toBeLessThanOrEqual(CHUNK_BYTES_MAX);
  await spool.close();
  expect(existsSync(join(dir, "a.log"))).toBe(false);
});

test("many small writes within one moment become one chunk", async () => {
  const server = appendingServer();
  const spool = await openSpool(join(dir, "a.log"), { send: server.send, budget: spoolBudget() });

  for (let index = 0; index < 100; index += 1) await spool.write(Buffer.from("line\n"));
  await spool.drain();

  expect(server.sizes.length).toBeLessThan(10);
  await spool.close();
});

test("output reaches the server long before the step ends", async () => {
  const server = appendingServer();
  const spool = await openSpool(join(dir, "a.log"), { send: server.send, budget: spoolBudget() });

  await spool.write(Buffer.from("alive\n"));

  await until(() => server.log().toString(), "alive\n", { deadlineMs: 1_000, everyMs: 2 });
  await spool.close();
});

test("a server that has lost the end of the log gets it again", async () => {
  const server = appendingServer();
  const spool = await openSpool(join(dir, "a.log"), { send: server.send, budget: spoolBudget() });
  await spool.write(Buffer.from("0123456789"));
  await until(() => server.log().length, 10, { everyMs: 2 });
  server.forget(4);

  await spool.write(Buffer.from("abc"));
  await spool.drain();

  expect(server.log().toString()).toBe("0123456789abc");
  await spool.close();
});

test("a log that is whole is sent again from where a server lost it, and only then is it whole again", async () => {
  const server = appendingServer();
  const spool = await openSpool(join(dir, "a.log"), { send: server.send, budget: spoolBudget() });
  const bytes = Buffer.alloc(2 * CHUNK_BYTES_MAX + 17, "0123456789");
  await spool.write(bytes);
  await spool.drain();
  server.forget(CHUNK_BYTES_MAX + 4);

  await spool.resend(CHUNK_BYTES_MAX + 13);
  await spool.resend(spool.sizeBytes());

  expect(spool.sizeBytes()).toBe(bytes.length);
  expect(server.log().equals(bytes)).toBe(true);
  await spool.close();
});

test("whoever writes waits while the worker's spool is full, and goes on when the server takes it", async () => {
  const server = appendingServer();
  const gate = Promise.withResolvers<void>();
  const send = async (offset: number, bytes: Buffer) => {
    await gate.promise;
    return server.send(offset, bytes);
  };
  const budget = spoolBudget(1_000);
  const spool = await openSpool(join(dir, "a.log"), { send, budget });
  await spool.write(Buffer.alloc(600));
  let isThrough = false;

  const second = spool.write(Buffer.alloc(600)).then(() => (isThrough = true));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const wasThrough = isThrough;
  gate.resolve();
  await second;
  await spool.drain();

  expect(wasThrough).toBe(false);
  expect(server.log().length).toBe(1_200);
  await spool.close();
});

test("a log that nobody wants any more is dropped, and holds no writer back", async () => {
  const send = async (): Promise<LogAnswer> => {
    throw new Stopped("lease-lost");
  };
  const spool = await openSpool(join(dir, "a.log"), { send, budget: spoolBudget(10) });

  await spool.write(Buffer.alloc(100));
  await spool.write(Buffer.alloc(100));

  await expect(spool.drain()).rejects.toThrow("lease-lost");
  await spool.close();
});

test("a step's log of NULs, broken UTF-8 and one endless line arrives byte for byte", async () => {
  const server = appendingServer();
  const budget = spoolBudget();
  const log = openStepLog([], () => openSpool(join(dir, "a.log"), { send: server.send, budget }));
  const odd = Buffer.from([0, 255, 254, 0xc3, 0x28, 0xed, 0xa0, 0x80, 10, 13, 27]);
  const line = Buffer.alloc(5_000_000, "x");

  await log.write(odd);
  await log.write(line);
  await log.end();

  expect(server.log().equals(Buffer.concat([odd, line]))).toBe(true);
  await log.close();
});

test("the tail of a log knows the number of its first line", async () => {
  const server = appendingServer();
  const budget = spoolBudget();
  const log = openStepLog([], () => openSpool(join(dir, "a.log"), { send: server.send, budget }));

  for (let number = 1; number <= 100_000; number += 1)
    void log.write(Buffer.from(`line ${number}\n`));
  await log.end();

  const { text, firstLineNumber } = log.tail();
  expect(text.startsWith(`line ${firstLineNumber}\n`)).toBe(true);
  expect(text.endsWith("line 100000\n")).toBe(true);
  expect(text.length).toBeLessThanOrEqual(256 * 1024);
  await log.close();
});

test("a step that prints nothing makes no file", async () => {
  const log = openStepLog(["secret"], () => Promise.reject(new Error("No file wanted.")));

  await log.write(Buffer.alloc(0));
  await log.end();
  await log.close();

  expect(log.tail()).toEqual({ text: "", firstLineNumber: 1 });
});
