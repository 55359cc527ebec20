import { open, stat } from "node:fs/promises";
import { lineTail } from "./line-tail.ts";
import type { TailStart } from "./line-tail.ts";
import { markPath, readMark } from "./log-mark.ts";
import type { RecoveredLog } from "./step-log.ts";

const READ_BYTES = 1024 * 1024;

/**
 * What an earlier life of this worker left of a log. Undefined: it does not fit what the server has, so
 * nothing can go on from it.
 */
export async function recoverLog(
  path: string,
  {
    sentBytes,
    container,
  }: {
    /** What the server has of it. */
    readonly sentBytes: number;
    /** Whose output goes on; undefined: the step starts over. */
    readonly container: string | undefined;
  },
): Promise<RecoveredLog | undefined> {
  const size = await sizeOf(path);
  const last = await readMark(markPath(path));
  const isUsable = last?.mark.container === container && (last?.mark.fileBytes ?? 0) <= size;
  const mark = isUsable ? last?.mark : undefined;
  const markedBytes = mark?.fileBytes ?? 0;
  // Behind the mark only what the server has is kept: the rest is made once more.
  const fileBytes = Math.max(markedBytes, sentBytes);
  if (size < fileBytes) return undefined;
  const tail = await readTail(path, markedBytes);
  const known = await readPart(path, markedBytes, fileBytes);
  return { mark, tail, spool: { fileBytes, sentBytes, known, markNumber: last?.number ?? 0 } };
}

/**
 * The log of a step that ended in an earlier life of this worker: all that it has is on the disk, for a
 * server that lost the end of it. Undefined: the server has more, so it is not the same log.
 */
export async function endedLog(path: string, sentBytes: number): Promise<RecoveredLog | undefined> {
  const fileBytes = await sizeOf(path);
  if (fileBytes < sentBytes) return undefined;
  const tail = await readTail(path, fileBytes);
  const spool = { fileBytes, sentBytes, known: Buffer.alloc(0), markNumber: 0 };
  return { mark: undefined, tail, spool };
}

async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function readTail(path: string, bytes: number): Promise<TailStart> {
  const tail = lineTail();
  for (let at = 0; at < bytes; at += READ_BYTES) {
    tail.push(await readPart(path, at, Math.min(bytes, at + READ_BYTES)));
  }
  return tail.rest();
}

async function readPart(path: string, from: number, to: number): Promise<Buffer> {
  if (to <= from) return Buffer.alloc(0);
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(to - from), 0, to - from, from);
  return buffer.subarray(0, bytesRead);
}
