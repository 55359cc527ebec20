import type { LogTail } from "../../../src/domain/failure-evidence.ts";

const TAIL_BYTES_MAX = 256 * 1024;
const NEWLINE = 0x0a;

/** The last part of what was shown before, and how many lines came before that. */
export interface TailStart {
  readonly bytes: Buffer;
  readonly droppedLines: number;
}

/** Keeps the last lines of a log, and knows their numbers. */
export function lineTail(start: TailStart = { bytes: Buffer.alloc(0), droppedLines: 0 }) {
  let chunks: Buffer[] = [start.bytes];
  let { length: bytes } = start.bytes;
  let { droppedLines } = start;

  const drop = (): void => {
    const all = Buffer.concat(chunks);
    const cut = all.indexOf(NEWLINE, all.length - TAIL_BYTES_MAX / 2) + 1;
    const from = cut === 0 ? all.length - TAIL_BYTES_MAX / 2 : cut;
    droppedLines += countLines(all.subarray(0, from));
    chunks = [Buffer.from(all.subarray(from))];
    bytes = all.length - from;
  };

  return {
    push: (chunk: Buffer): void => {
      if (chunk.length === 0) return;
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > TAIL_BYTES_MAX) drop();
    },
    read: (): LogTail => ({
      text: Buffer.concat(chunks).toString(),
      firstLineNumber: droppedLines + 1,
    }),
    /** What another one starts from. */
    rest: (): TailStart => ({ bytes: Buffer.concat(chunks), droppedLines }),
  };
}

function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}
