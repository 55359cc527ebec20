import { mkdir, open, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { LogAnswer } from "../../../src/shared/build-messages.ts";
import { leaveOutEcho } from "./echo.ts";
import { markPath, openMarkFile } from "./log-mark.ts";
import type { LogMark, MarkFile } from "./log-mark.ts";

export const CHUNK_BYTES_MAX = 256 * 1024;
export const SPOOL_BYTES_MAX = 256 * 1024 * 1024;
const PENDING_BYTES_MAX = 2 * CHUNK_BYTES_MAX;
/** So long the first bytes wait for more, before they go to the disk and to the server. */
const COALESCE_MS = 15;
/** From so many pieces on, one copy of them is cheaper than to write each. */
const PIECES_MAX = 64;
/** Kept for the next chunk that is sent, by all logs together. */
const SPARE_MAX = 8;

/** Log bytes on this worker's disk until the server has acknowledged them. */
export interface Spool {
  /**
   * Resolves when there is room for more, on the way to the disk and in the worker's budget. `mark`
   * says where the output is that these bytes end with: it is on the disk before they are sent.
   */
  write(bytes: Buffer, mark?: Omit<LogMark, "fileBytes">): Promise<void>;
  /** No more bytes follow; resolves when the server has them all. */
  drain(): Promise<void>;
  /** Removes the file, sent or not. */
  close(): Promise<void>;
}

/**
 * Sends one chunk, again and again if need be; throws only when sending makes no sense any more. The
 * bytes are the sender's until it has answered, and another's then.
 */
export type SendChunk = (offsetBytes: number, bytes: Buffer) => Promise<LogAnswer>;

/** One per worker: what all spools together may hold. */
export interface SpoolBudget {
  take(bytes: number): void;
  give(bytes: number): void;
  /** Resolves at once unless the budget is used up. */
  room(): Promise<void>;
  /** Bytes that the server has not taken yet. */
  held(): number;
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
    held: () => held,
    room: async () => {
      // Whoever is woken may find that another writer was quicker.
      for (;;) {
        if (held < bytesMax) return;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}

/** What an earlier life of this worker left of a log. */
export interface SpoolStart {
  /** The file goes on behind so many of its bytes. */
  readonly fileBytes: number;
  /** Those that the server has. */
  readonly sentBytes: number;
  /** What will be written once more, and is there already. */
  readonly known: Buffer;
  /** Number of the last mark. */
  readonly markNumber: number;
}

const EMPTY: SpoolStart = { fileBytes: 0, sentBytes: 0, known: Buffer.alloc(0), markNumber: 0 };

export async function openSpool(
  path: string,
  { send, budget }: { readonly send: SendChunk; readonly budget: SpoolBudget },
  start?: SpoolStart,
): Promise<Spool> {
  await mkdir(dirname(path), { recursive: true });
  const isThere = start !== undefined && start.fileBytes > 0;
  const file = await open(path, isThere ? "r+" : "w+", 0o600);
  await file.truncate(start?.fileBytes ?? 0).catch(async (err: unknown) => {
    await file.close();
    throw err;
  });
  return new DiskSpool(file, { path, send, budget, start: start ?? EMPTY });
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
  #givenBytes: number;
  #writtenBytes: number;
  #sentBytes: number;
  #sending: Promise<void> | undefined;
  #isEnding = false;
  /** Ends the wait for more. */
  #wake: () => void = () => undefined;
  #failure: { readonly err: unknown } | undefined;
  readonly #marks: MarkFile;
  readonly #leaveOut: (bytes: Buffer) => Buffer;
  /** Of what was given last, on its way to the disk; then of what is there. */
  #givenMark: LogMark | undefined;
  #writtenMark: LogMark | undefined;

  constructor(
    file: FileHandle,
    parts: {
      readonly path: string;
      readonly send: SendChunk;
      readonly budget: SpoolBudget;
      readonly start: SpoolStart;
    },
  ) {
    const { path, send, budget, start } = parts;
    this.#file = file;
    this.#path = path;
    this.#send = send;
    this.#budget = budget;
    this.#marks = openMarkFile(markPath(path), start.markNumber);
    this.#leaveOut = leaveOutEcho(start.known);
    this.#givenBytes = start.fileBytes;
    this.#writtenBytes = start.fileBytes;
    this.#sentBytes = start.sentBytes;
    budget.take(start.fileBytes - start.sentBytes);
    if (start.sentBytes < start.fileBytes) this.#sending = this.#sendAll();
  }

  async write(given: Buffer, mark?: Omit<LogMark, "fileBytes">): Promise<void> {
    // Once the lease is lost nobody wants the log; whoever writes learns of it by the lease's signal.
    if (given.length === 0 || this.#failure) return;
    const bytes = this.#leaveOut(given);
    if (bytes.length === 0) return;
    this.#givenBytes += bytes.length;
    if (mark !== undefined) this.#givenMark = { ...mark, fileBytes: this.#givenBytes };
    this.#budget.take(bytes.length);
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#writing ??= this.#writeAll();
    if (this.#pendingBytes >= CHUNK_BYTES_MAX) this.#wake();
    while (this.#writing !== undefined && this.#pendingBytes > PENDING_BYTES_MAX) {
      await this.#writing;
    }
    await this.#budget.room();
  }

  async drain(): Promise<void> {
    this.#hurryUp();
    await this.#writing;
    while (this.#sending) await this.#sending;
    if (this.#failure) throw this.#failure.err;
  }

  async close(): Promise<void> {
    this.#hurryUp();
    await this.#writing;
    await this.#sending;
    this.#drop();
    await this.#file.close();
    await this.#marks.close();
    await rm(this.#path, { force: true });
    await rm(markPath(this.#path), { force: true });
  }

  #hurryUp(): void {
    this.#isEnding = true;
    this.#wake();
  }

  async #writeAll(): Promise<void> {
    // In the next turn, so that everything that is written in this one goes together.
    await Promise.resolve();
    try {
      while (this.#pending.length > 0) {
        await this.#coalesce();
        const pieces = this.#pending;
        const bytes = this.#pendingBytes;
        const mark = this.#givenMark;
        this.#pending = [];
        this.#givenMark = undefined;
        await this.#append(pieces);
        this.#pendingBytes -= bytes;
        this.#writtenBytes += bytes;
        this.#writtenMark = mark ?? this.#writtenMark;
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

  async #append(pieces: readonly Buffer[]): Promise<void> {
    let left = pieces.length > PIECES_MAX ? [Buffer.concat(pieces)] : [...pieces];
    for (let at = this.#writtenBytes; left.length > 0;) {
      const { bytesWritten } = await this.#file.writev(left, at);
      at += bytesWritten;
      left = behind(left, bytesWritten);
    }
  }

  /** What the server has, a later life must be able to go on behind. */
  async #saveMark(): Promise<void> {
    const mark = this.#writtenMark;
    if (mark === undefined) return;
    this.#writtenMark = undefined;
    await this.#marks.save(mark);
  }

  /** What was not sent is wanted no more. */
  #drop(): void {
    this.#budget.give(this.#writtenBytes - this.#sentBytes);
    this.#sentBytes = this.#writtenBytes;
  }

  async #sendAll(): Promise<void> {
    try {
      while (this.#sentBytes < this.#writtenBytes) {
        await this.#sendNext();
      }
    } catch (err) {
      this.#failure = { err };
      this.#drop();
    } finally {
      this.#sending = undefined;
    }
  }

  /** A program that prints line by line would else cost a write and a request for each. */
  async #coalesce(): Promise<void> {
    if (this.#pendingBytes >= CHUNK_BYTES_MAX || this.#isEnding) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, COALESCE_MS);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }

  async #sendNext(): Promise<void> {
    await this.#saveMark();
    const from = this.#sentBytes;
    const size = Math.min(CHUNK_BYTES_MAX, this.#writtenBytes - from);
    const chunk = spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES_MAX);
    const { bytesRead } = await this.#file.read(chunk, 0, size, from);
    const answer = await this.#send(from, chunk.subarray(0, bytesRead));
    if (spare.length < SPARE_MAX) spare.push(chunk);
    const at = answer.kind === "acknowledged" ? answer.upToBytes : answer.fromBytes;
    if (at > this.#writtenBytes) throw new Error(`The server has ${at} bytes of a shorter log.`);
    this.#budget.give(at - from);
    this.#sentBytes = at;
  }
}

const spare: Buffer[] = [];

/** What of these pieces comes behind so many bytes. */
function behind(pieces: readonly Buffer[], bytes: number): Buffer[] {
  let passed = bytes;
  return pieces.flatMap((piece) => {
    const rest = piece.subarray(Math.min(passed, piece.length));
    passed -= piece.length - rest.length;
    return rest.length === 0 ? [] : [rest];
  });
}
