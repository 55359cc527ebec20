import { cpSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LogAnswer } from "../../../../src/shared/build-messages.ts";
import type { OutputPlace } from "../../../../workers/build/engine.ts";
import { leaveOutEcho } from "../../../../workers/build/log/echo.ts";
import { markPath, readMark } from "../../../../workers/build/log/log-mark.ts";
import { createMask } from "../../../../workers/build/log/mask.ts";
import { recoverLog } from "../../../../workers/build/log/recover-log.ts";
import { openSpool } from "../../../../workers/build/log/spool.ts";
import { spoolBudget } from "../../../../workers/build/log/spool-budget.ts";
import { openStepLog } from "../../../../workers/build/log/step-log.ts";

const SECRET = "Qx7-a-secret-of-this-job";
const CONTAINER = "c1";
const CUT_MAX = 300;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tatara-recovery-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** Numbers from 0 to 1 that depend on the seed alone. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

function outputOf(lines: number): Buffer {
  const all = Array.from({ length: lines }, (_none, index) =>
    index % 3 === 0
      ? `line ${index} has ${SECRET}${index % 2 === 0 ? SECRET : ""}\n`
      : `line ${index}\n`,
  );
  return Buffer.from(all.join(""));
}

/** Bytes that the server has taken; a dead worker's chunks reach it no more. */
function fencedServer() {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    size: () => size,
    log: () => Buffer.concat(chunks),
    sender:
      (isDead: () => boolean) =>
      async (at: number, bytes: Buffer): Promise<LogAnswer> => {
        if (isDead()) return await new Promise(() => undefined);
        if (at > size) return { kind: "resend", fromBytes: size };
        const fresh = Buffer.from(bytes.subarray(size - at));
        chunks.push(fresh);
        size += fresh.length;
        return { kind: "acknowledged", upToBytes: size };
      },
  };
}

interface Crash {
  /** Before the n-th write to a file of the log. */
  readonly atWrite: number;
}

/** One life of a worker: takes the output from where the last one left off. True: it saw the end. */
async function live(
  folder: string,
  server: ReturnType<typeof fencedServer>,
  {
    output,
    next,
    crash,
    container = CONTAINER,
    before = "",
  }: {
    readonly output: Buffer;
    readonly next: () => number;
    readonly crash?: Crash | undefined;
    readonly container?: string;
    readonly before?: string;
  },
): Promise<string | undefined> {
  const path = join(folder, "unit.log");
  const recovered = await recoverLog(path, { sentBytes: server.size(), container });
  if (recovered === undefined) throw new Error("The log does not fit what the server has.");
  const fate: { folder?: string } = {};
  const death = Promise.withResolvers<void>();
  using _writes = onEachWrite((count) => {
    if (crash === undefined || fate.folder !== undefined || count !== crash.atWrite) return;
    fate.folder = `${folder}+`;
    cpSync(folder, fate.folder, { recursive: true });
    death.resolve();
  });
  const spool = { budget: spoolBudget(), send: server.sender(() => fate.folder !== undefined) };
  const log = openStepLog([SECRET], () => openSpool(path, spool, recovered.spool), { recovered });
  if (log.from === undefined && before !== "") log.say(before);
  for (let at = log.from?.stdout ?? 0; at < output.length && fate.folder === undefined;) {
    const chunk = output.subarray(at, at + 1 + Math.floor(next() * CUT_MAX));
    at += chunk.length;
    const place: OutputPlace = { container, stream: "stdout", stdout: at, stderr: 0 };
    await log.write(chunk, place);
    // Now and then what was written gets to the server before more comes.
    if (next() < 0.25) await new Promise((resolve) => setTimeout(resolve, 10 + next() * 20));
  }
  if (fate.folder === undefined) await Promise.race([log.end(), death.promise]);
  if (fate.folder === undefined) await log.close();
  return fate.folder;
}

/** Hears of every write to a file, before it is done. */
function onEachWrite(hear: (count: number) => void): Disposable {
  const writes = Object.getPrototypeOf(handle) as { write: FileHandle["write"] };
  const write = writes.write;
  let count = 0;
  writes.write = function (this: FileHandle, ...args: never[]) {
    count += 1;
    hear(count);
    return Reflect.apply(write, this, args) as ReturnType<typeof write>;
  };
  return { [Symbol.dispose]: () => void (writes.write = write) };
}

let handle: FileHandle;
beforeEach(async () => {
  handle = await open(dir);
});
afterEach(async () => {
  await handle.close();
});

/**
 * A pause of the writer may show the first letters of a secret before the rest is known: in front of its
 * mark, or behind the mark of a secret that it touches, since the two have one mark.
 */
function plain(log: Buffer): string {
  return log.toString().replaceAll(/(?:Qx7|Qx|Q)?\*\*\*(?:Qx7|Qx|Q)?/g, "***");
}

function masked(output: Buffer): string {
  const mask = createMask([SECRET]);
  return Buffer.concat([mask.push(output), mask.end()]).toString();
}

describe("a log whose worker is killed before its n-th write to the disk", () => {
  const output = outputOf(300);

  test.each(Array.from({ length: 30 }, (_none, index) => index + 1))("n = %i", async (atWrite) => {
    const next = random(atWrite);
    const server = fencedServer();

    const died = await live(join(dir, "a"), server, {
      output,
      next,
      crash: { atWrite },
      before: "tatara: hello",
    });
    if (died !== undefined) {
      // And once more, early in its second life.
      const again = {
        output,
        next,
        crash: { atWrite: 1 + (atWrite % 5) },
        before: "tatara: hello",
      };
      // It may have had so few writes to do that it lived to the end.
      const diedAgain = await live(died, server, again);
      if (diedAgain !== undefined) await live(diedAgain, server, { ...again, crash: undefined });
    }

    expect(plain(server.log())).toBe(`tatara: hello\n${masked(output)}`);
    expect(server.log().includes(SECRET)).toBe(false);
  });
});

test("a step that starts over and says the same has one log", async () => {
  const server = fencedServer();
  // No secret: a pause may show the first letters of one, and then it is not the same that is said.
  const output = Buffer.from(Array.from({ length: 1_600 }, (_none, i) => `line ${i}\n`).join(""));
  const next = random(5);
  const died = await live(join(dir, "a"), server, { output, next, crash: { atWrite: 6 } });
  expect(server.size()).toBeGreaterThan(0);

  await live(died ?? "", server, { output, next, container: "another" });

  expect(server.log().toString()).toBe(output.toString());
});

test("of what is said once more, all is shown from the first other line on", () => {
  const leaveOut = leaveOutEcho(Buffer.from("step 1\nstep 2 made\nstep 3\n"));

  const shown = ["step 1\nst", "ep 2 fr", "om cache\nstep 3\n"].map((text) =>
    leaveOut(Buffer.from(text)).toString(),
  );

  const again = "[tatara: the worker was restarted, and this step tells again what follows]\n";
  expect(shown.join("")).toBe(`${again}step 2 from cache\nstep 3\n`);
});

test("a log over its bound goes on as if nothing had been", async () => {
  const server = fencedServer();
  const line = Buffer.from(`${"x".repeat(1_023)}\n`);
  const output = Buffer.concat(Array.from({ length: 70 * 1024 }, () => line));
  const next = () => 2_000;
  const calm = fencedServer();
  await live(join(dir, "calm"), calm, { output, next });

  const died = await live(join(dir, "a"), server, { output, next, crash: { atWrite: 110 } });
  expect(died).toBeDefined();
  await live(died ?? "", server, { output, next });

  expect(server.log().length).toBe(calm.log().length);
  expect(server.log().equals(calm.log())).toBe(true);
}, 120_000);

test("of a mark that was cut off, the one before counts", async () => {
  const next = random(9);
  const server = fencedServer();
  const died =
    (await live(join(dir, "a"), server, { output: outputOf(800), next, crash: { atWrite: 6 } })) ??
    "";
  const path = markPath(join(died, "unit.log"));
  const newest = await readMark(path);
  await using file = await open(path, "r+");
  await file.write(Buffer.alloc(20), 0, 20, ((newest?.number ?? 0) % 2) * 64 * 1024);

  const found = await readMark(path);

  expect(found?.number).toBe((newest?.number ?? 0) - 1);
});
