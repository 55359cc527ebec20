import { mkdir, open, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { LogAnswer } from "../../../src/shared/build-messages.ts";
import { leaveOutEcho } from "./echo.ts";
import type { SpoolBudget } from "./spool-budget.ts";
import { PAGE_BYTES, givePage, takePage } from "./pages.ts";
import type { Page } from "./pages.ts";
import { markPath, openMarkFile } from "./log-mark.ts";
import type { LogMark, MarkFile } from "./log-mark.ts";

export const CHUNK_BYTES_MAX = PAGE_BYTES;
const PENDING_BYTES_MAX = 2 * CHUNK_BYTES_MAX;
/** So long the first bytes wait for more, before they go to the disk and to the server. */
const COALESCE_MS = 15;

/** Log bytes on this worker's disk until the server has acknowledged them. */
export interface Spool {
  /**
   * Resolves when there is room for more, on the way to the disk and in the worker's budget. `mark`
   * says where the output is that these bytes end with: it is on the disk before they are sent.
   */
  write(bytes: Buffer, mark?: Omit<LogMark, "fileBytes">): Promise<void>;
  /** No more bytes follow; resolves when the server has them all. */
  drain(): Promise<void>;
  /** How many bytes it was given. */
  sizeBytes(): number;
  /** Sends once more what a server had and has lost, and resolves when it has it. */
  resend(fromBytes: number): Promise<void>;
  /** Removes the file, sent or not. */
  close(): Promise<void>;
}

/**
 * Sends one chunk, again and again if need be; throws only when sending makes no sense any more. The
 * bytes are the sender's until it has answered, and another's then.
 */
export type SendChunk = (offsetBytes: number, bytes: Buffer) => Promise<LogAnswer>;

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
  #pending: Piece[] = [];
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
  /** Of what is on the disk, until it is saved. */
  #writtenMark: LogMark | undefined;
  /** What was written last, for the sender: it need not be read again. */
  #fresh: { readonly from: number; readonly page: Page; readonly bytes: Buffer } | undefined;

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
    this.#budget.take(bytes.length);
    this.#pending.push({ bytes, mark: mark && { ...mark, fileBytes: this.#givenBytes } });
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

  sizeBytes(): number {
    return this.#givenBytes;
  }

  async resend(fromBytes: number): Promise<void> {
    await this.drain();
    if (fromBytes >= this.#sentBytes) return;
    this.#forgetFresh();
    this.#budget.take(this.#sentBytes - fromBytes);
    this.#sentBytes = fromBytes;
    this.#sending = this.#sendAll();
    await this.drain();
  }

  async close(): Promise<void> {
    this.#hurryUp();
    await this.#writing;
    await this.#sending;
    this.#drop();
    this.#forgetFresh();
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
        const pieces = firstPieces(this.#pending);
        this.#pending.splice(0, pieces.length);
        const bytes = pieces.reduce((sum, piece) => sum + piece.bytes.length, 0);
        await this.#append(pieces, bytes);
        this.#pendingBytes -= bytes;
        this.#writtenBytes += bytes;
        this.#writtenMark = pieces.findLast(({ mark }) => mark)?.mark ?? this.#writtenMark;
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

  async #append(pieces: readonly Piece[], length: number): Promise<void> {
    const page = length <= CHUNK_BYTES_MAX ? takePage() : undefined;
    const bytes = page?.subarray(0, length) ?? Buffer.allocUnsafe(length);
    let at = 0;
    for (const piece of pieces) at += piece.bytes.copy(bytes, at);
    const from = this.#writtenBytes;
    for (let written = 0; written < length;) {
      const left = length - written;
      const { bytesWritten } = await this.#file.write(bytes, written, left, from + written);
      written += bytesWritten;
    }
    this.#forgetFresh();
    if (page !== undefined) this.#fresh = { from, page, bytes };
  }

  #forgetFresh(): void {
    if (this.#fresh !== undefined) givePage(this.#fresh.page);
    this.#fresh = undefined;
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

  async #read(page: Page, from: number): Promise<Buffer> {
    const size = Math.min(page.length, this.#writtenBytes - from);
    const { bytesRead } = await this.#file.read(page, 0, size, from);
    return page.subarray(0, bytesRead);
  }

  async #sendNext(): Promise<void> {
    await this.#saveMark();
    const from = this.#sentBytes;
    const fresh = this.#fresh?.from === from ? this.#fresh : undefined;
    if (fresh !== undefined) this.#fresh = undefined;
    const page = fresh?.page ?? takePage();
    const bytes = fresh?.bytes ?? (await this.#read(page, from));
    const answer = await this.#send(from, bytes);
    givePage(page);
    const at = answer.kind === "acknowledged" ? answer.upToBytes : answer.fromBytes;
    if (at > this.#writtenBytes) throw new Error(`The server has ${at} bytes of a shorter log.`);
    this.#budget.give(at - from);
    this.#sentBytes = at;
    if (at >= this.#writtenBytes) this.#forgetFresh();
  }
}

interface Piece {
  readonly bytes: Buffer;
  readonly mark: LogMark | undefined;
}

/** As many as fit in one chunk; a larger one alone. */
function firstPieces(pieces: readonly Piece[]): readonly Piece[] {
  let bytes = 0;
  const end = pieces.findIndex((piece, index) => {
    bytes += piece.bytes.length;
    return index > 0 && bytes > CHUNK_BYTES_MAX;
  });
  return pieces.slice(0, end === -1 ? pieces.length : end);
}
