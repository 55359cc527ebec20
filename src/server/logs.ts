import { mkdir, open, stat, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import type { LogFiles, LogKey } from "./views.ts";

/** The worker cuts a step's log at 64 MiB; beyond this the server stores nothing, whoever sends it. */
const LOG_BYTES_MAX = 80 * 1024 * 1024;
const OPEN_MAX = 64;
const READ_BYTES = 256 * 1024;

/** Each step's log is one file of raw bytes: `<dir>/<build>/<job>/<attempt>/<step>.log`. */
export function openLogFiles(dir: string): LogFiles & { close(): Promise<void> } {
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
    sizeOf: async (log) => {
      const writer = await writers.get(pathOf(log));
      if (writer !== undefined) return writer.sizeBytes;
      return await stat(pathOf(log)).then(
        ({ size }) => size,
        () => 0,
      );
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
  last: Promise<unknown>;
}

async function openWriter(path: string): Promise<Writer> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, "a");
  const { size } = await file.stat();
  return { file, sizeBytes: size, last: Promise.resolve() };
}

async function appendAt(
  writer: Writer,
  offsetBytes: number,
  bytes: Uint8Array,
): ReturnType<LogFiles["append"]> {
  if (offsetBytes > writer.sizeBytes) return { kind: "resend", fromBytes: writer.sizeBytes };
  const fresh = bytes.subarray(writer.sizeBytes - offsetBytes);
  if (fresh.length > 0 && writer.sizeBytes + fresh.length <= LOG_BYTES_MAX) {
    try {
      await writer.file.appendFile(fresh);
      writer.sizeBytes += fresh.length;
    } catch (err) {
      // A part of it may be on disk, for example when that is full.
      writer.sizeBytes = (await writer.file.stat()).size;
      throw err;
    }
  }
  return { kind: "acknowledged", upToBytes: offsetBytes + bytes.length };
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
    const { bytesRead, buffer } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, fromBytes);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function* readAll(path: string, fromBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = fromBytes; ;) {
    const bytes = await readRange(path, at, READ_BYTES);
    if (bytes.length === 0) return;
    yield bytes;
    at += bytes.length;
  }
}
