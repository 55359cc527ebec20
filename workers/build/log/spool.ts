import { mkdir, open, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { LogAnswer } from "../../../src/shared/build-messages.ts";

export const CHUNK_BYTES_MAX = 256 * 1024;
export const SPOOL_BYTES_MAX = 256 * 1024 * 1024;
const PENDING_BYTES_MAX = 1024 * 1024;
/** So long a chunk waits for more, once the first of it came. */
const COALESCE_MS = 15;

/** Log bytes on this worker's disk until the server has acknowledged them. */
export interface Spool {
  /** Resolves when there is room for more, on the way to the disk and in the worker's budget. */
  write(bytes: Buffer): Promise<void>;
  /** No more bytes follow; resolves when the server has them all. */
  drain(): Promise<void>;
  /** Removes the file, sent or not. */
  close(): Promise<void>;
}

/** Sends one chunk, again and again if need be; throws only when sending makes no sense any more. */
export type SendChunk = (offsetBytes: number, bytes: Buffer) => Promise<LogAnswer>;

/** One per worker: what all spools together may hold. */
export interface SpoolBudget {
  take(bytes: number): void;
  give(bytes: number): void;
  /** Resolves at once unless the budget is used up. */
  room(): Promise<void>;
}

export function spoolBudget(bytesMax: number = SPOOL_BYTES_MAX): SpoolBudget {
  let held = 0;
  let waiting: (() => void)[] = [];
  return {
    take: (bytes) => void (held += bytes),
    give: (bytes) => {
      held -= bytes;
      if (held >= bytesMax) return;
      for (const go of waiting) go();
      waiting = [];
    },
    room: async () => {
      // Whoever is woken may find that another writer was quicker.
      for (;;) {
        if (held < bytesMax) return;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}

export async function openSpool(
  path: string,
  { send, budget }: { readonly send: SendChunk; readonly budget: SpoolBudget },
): Promise<Spool> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, "w+", 0o600);
  return new DiskSpool(file, path, send, budget);
}

class DiskSpool implements Spool {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #send: SendChunk;
  readonly #budget: SpoolBudget;
  /** Not in the file yet: what comes while it is being written goes there in one piece. */
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> | undefined;
  #writtenBytes = 0;
  #sentBytes = 0;
  #sending: Promise<void> | undefined;
  #isEnding = false;
  #hurry = Promise.withResolvers<void>();
  #failure: { readonly err: unknown } | undefined;

  constructor(file: FileHandle, path: string, send: SendChunk, budget: SpoolBudget) {
    this.#file = file;
    this.#path = path;
    this.#send = send;
    this.#budget = budget;
  }

  async write(bytes: Buffer): Promise<void> {
    // Once the lease is lost nobody wants the log; whoever writes learns of it by the lease's signal.
    if (bytes.length === 0 || this.#failure) return;
    this.#budget.take(bytes.length);
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#writing ??= this.#writeAll();
    while (this.#writing !== undefined && this.#pendingBytes > PENDING_BYTES_MAX) {
      await this.#writing;
    }
    await this.#budget.room();
  }

  async drain(): Promise<void> {
    await this.#writing;
    this.#hurryUp();
    while (this.#sending) await this.#sending;
    if (this.#failure) throw this.#failure.err;
  }

  async close(): Promise<void> {
    await this.#writing;
    this.#hurryUp();
    await this.#sending;
    this.#drop();
    await this.#file.close();
    await rm(this.#path, { force: true });
  }

  #hurryUp(): void {
    this.#isEnding = true;
    this.#hurry.resolve();
  }

  async #writeAll(): Promise<void> {
    // In the next turn, so that everything that is written in this one goes together.
    await Promise.resolve();
    try {
      while (this.#pending.length > 0) {
        const bytes = Buffer.concat(this.#pending);
        this.#pending = [];
        await this.#file.appendFile(bytes);
        this.#pendingBytes -= bytes.length;
        this.#writtenBytes += bytes.length;
        this.#sending ??= this.#sendAll();
      }
    } catch (err) {
      this.#failure ??= { err };
      this.#budget.give(this.#pendingBytes);
      this.#pendingBytes = 0;
    } finally {
      this.#writing = undefined;
    }
  }

  /** What was not sent is wanted no more. */
  #drop(): void {
    this.#budget.give(this.#writtenBytes - this.#sentBytes);
    this.#sentBytes = this.#writtenBytes;
  }

  async #sendAll(): Promise<void> {
    try {
      while (this.#sentBytes < this.#writtenBytes) {
        await this.#coalesce();
        await this.#sendNext();
      }
    } catch (err) {
      this.#failure = { err };
      this.#drop();
    } finally {
      this.#sending = undefined;
    }
  }

  /** A program that prints line by line would else cost a request for each. */
  async #coalesce(): Promise<void> {
    const isFull = this.#writtenBytes - this.#sentBytes >= CHUNK_BYTES_MAX;
    if (isFull || this.#isEnding) return;
    const waited = new AbortController();
    await Promise.race([
      delay(COALESCE_MS, undefined, { signal: waited.signal }).catch(() => undefined),
      this.#hurry.promise,
    ]);
    waited.abort();
  }

  async #sendNext(): Promise<void> {
    const from = this.#sentBytes;
    const size = Math.min(CHUNK_BYTES_MAX, this.#writtenBytes - from);
    const { buffer } = await this.#file.read(Buffer.allocUnsafe(size), 0, size, from);
    const answer = await this.#send(from, buffer);
    const at = answer.kind === "acknowledged" ? answer.upToBytes : answer.fromBytes;
    if (at > this.#writtenBytes) throw new Error(`The server has ${at} bytes of a shorter log.`);
    this.#budget.give(at - from);
    this.#sentBytes = at;
  }
}
