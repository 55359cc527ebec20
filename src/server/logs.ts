import { mkdir, open, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { Readable } from "node:stream";
import { logSync, type SyncAttempt } from "./log-sync.ts";
import type { LogFiles, LogKey, LostLogs } from "./views.ts";

/** The worker cuts a step's log at 64 MiB; beyond this the server stores nothing, whoever sends it. */
const LOG_BYTES_MAX = 80 * 1024 * 1024;
const OPEN_MAX = 64;
const READ_BYTES = 256 * 1024;
const LOST_LINE = "[tatara: worker lost here]\n";
const NEWLINE = 0x0a;
const NOTHING = new Uint8Array();
/** Everybody who watches a log wants its newest bytes, and as soon as they are there. */
const RECENT_BYTES = 16 * 1024;

export interface OpenLogFiles extends LogFiles, LostLogs {
  /** Resolves when no loss of power can take what was appended for the attempt. */
  readonly sync: SyncAttempt;
  /** All logs of a build that is over. */
  removeAll(buildId: string): Promise<void>;
  close(): Promise<void>;
}

/** Each step's log is one file of raw bytes: `<dir>/<build>/<job>/<attempt>/<step>.log`. */
export function openLogFiles(dir: string): OpenLogFiles {
  const writers = new Map<string, Promise<Writer>>();
  const pathOf = ({ buildId, jobId, attempt, step }: LogKey): string =>
    join(dir, buildId, jobId, String(attempt), `${step}.log`);

  const writerOf = (path: string): Promise<Writer> => {
    const writer = writers.get(path) ?? openWriter(path);
    // The map keeps the order of use, so its first entry was silent longest.
    writers.delete(path);
    writers.set(path, writer);
    // What could not be opened now may be opened for the next chunk.
    writer.catch(() => {
      if (writers.get(path) === writer) writers.delete(path);
    });
    return writer;
  };

  const append: LogFiles["append"] = async (log, offsetBytes, bytes) => {
    const writer = await writerOf(pathOf(log));
    // One chunk at a time per log: what a chunk may append depends on what the last one did.
    const answer = writer.last.then(() => appendAt(writer, offsetBytes, bytes));
    writer.last = answer.catch(() => undefined);
    await closeOldest(writers);
    return await answer;
  };

  return {
    append,
    sync: logSync(dir),
    removeAll: async (buildId) => {
      const folder = join(dir, buildId);
      for (const [path, writer] of writers) {
        if (!path.startsWith(folder + sep)) continue;
        writers.delete(path);
        await writer.then(({ file }) => file.close()).catch(() => undefined);
      }
      await rm(folder, { recursive: true, force: true });
    },
    endLost: async (log) => {
      const path = pathOf(log);
      const writer = await writerOf(path);
      // Behind what is being appended now; a chunk that comes later still is nobody's any more.
      const end = writer.last.then(() => endAsLost(writer, path));
      writer.last = end.catch(() => undefined);
      await end;
      return writer.sizeBytes;
    },
    sizeOf: async (log) => {
      const writer = await writers.get(pathOf(log));
      if (writer !== undefined) return writer.sizeBytes;
      return await stat(pathOf(log)).then(
        ({ size }) => size,
        () => 0,
      );
    },
    recent: async (log, fromBytes) => {
      const writer = await writers.get(pathOf(log));
      if (writer === undefined) return undefined;
      const { recent, sizeBytes } = writer;
      const start = sizeBytes - recent.length;
      return fromBytes < start ? undefined : recent.subarray(fromBytes - start);
    },
    read: (log, fromBytes, maxBytes) => readRange(pathOf(log), fromBytes, maxBytes),
    stream: (log, fromBytes) => Readable.from(readAll(pathOf(log), fromBytes)),
    close: async () => {
      for (const writer of writers.values()) {
        await writer.then(({ file }) => file.close()).catch(() => undefined);
      }
      writers.clear();
    },
  };
}

interface Writer {
  readonly file: FileHandle;
  sizeBytes: number;
  /** The last bytes of what was appended; never changed, only replaced. */
  recent: Buffer;
  last: Promise<unknown>;
  /** Its worker was lost: nobody appends to it any more. */
  isLost: boolean;
}

async function openWriter(path: string): Promise<Writer> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, "a");
  const { size } = await file.stat();
  return { file, sizeBytes: size, recent: Buffer.alloc(0), last: Promise.resolve(), isLost: false };
}

async function appendAt(
  writer: Writer,
  offsetBytes: number,
  bytes: Uint8Array,
): ReturnType<LogFiles["append"]> {
  if (offsetBytes > writer.sizeBytes) return { kind: "resend", fromBytes: writer.sizeBytes };
  const fresh = writer.isLost ? NOTHING : bytes.subarray(writer.sizeBytes - offsetBytes);
  if (fresh.length > 0 && writer.sizeBytes + fresh.length <= LOG_BYTES_MAX) {
    try {
      await writer.file.appendFile(fresh);
      writer.sizeBytes += fresh.length;
      writer.recent = lastOf(writer.recent, fresh);
    } catch (err) {
      // A part of it may be on disk, for example when that is full.
      writer.sizeBytes = (await writer.file.stat()).size;
      writer.recent = Buffer.alloc(0);
      throw err;
    }
  }
  return { kind: "acknowledged", upToBytes: offsetBytes + bytes.length };
}

async function endAsLost(writer: Writer, path: string): Promise<void> {
  if (writer.isLost) return;
  const { sizeBytes } = writer;
  const last = await readRange(path, Math.max(0, sizeBytes - 1), 1);
  const line = Buffer.from(
    `${last[0] === undefined || last[0] === NEWLINE ? "" : "\n"}${LOST_LINE}`,
  );
  await appendAt(writer, sizeBytes, line);
  writer.isLost = true;
}

/** A copy: what it is part of may be large. */
function lastOf(known: Buffer, fresh: Uint8Array): Buffer {
  const end = fresh.subarray(Math.max(0, fresh.length - RECENT_BYTES));
  const room = RECENT_BYTES - end.length;
  return Buffer.concat([known.subarray(Math.max(0, known.length - room)), end]);
}

async function closeOldest(writers: Map<string, Promise<Writer>>): Promise<void> {
  const [oldest] = writers;
  if (writers.size <= OPEN_MAX || oldest === undefined) return;
  writers.delete(oldest[0]);
  const writer = await oldest[1];
  await writer.last;
  await writer.file.close();
}

async function readRange(path: string, fromBytes: number, maxBytes: number): Promise<Uint8Array> {
  const file = await open(path).catch(() => undefined);
  // A step that has printed nothing has no file: its log is empty, not missing.
  if (file === undefined) return new Uint8Array();
  try {
    return await readPart(file, fromBytes, maxBytes);
  } finally {
    await file.close();
  }
}

/** Room is made for what is there: most of what is asked for is short. */
async function readPart(file: FileHandle, from: number, maxBytes: number): Promise<Buffer> {
  const { size } = await file.stat();
  const length = Math.min(maxBytes, size - from);
  if (length <= 0) return Buffer.alloc(0);
  const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, from);
  return buffer.subarray(0, bytesRead);
}

async function* readAll(path: string, fromBytes: number): AsyncGenerator<Uint8Array> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return;
  try {
    for (let at = fromBytes; ;) {
      const bytes = await readPart(file, at, READ_BYTES);
      if (bytes.length === 0) return;
      yield bytes;
      at += bytes.length;
    }
  } finally {
    await file.close();
  }
}
