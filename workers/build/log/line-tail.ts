import type { LogTail } from "../../../src/domain/failure-evidence.ts";

const TAIL_BYTES_MAX = 256 * 1024;
/** Times a power of two it is the most. */
const ROOM_MIN = 4 * 1024;
const NEWLINE = 0x0a;

/** The last part of what was shown before, and how many lines came before that. */
export interface TailStart {
  readonly bytes: Buffer;
  readonly droppedLines: number;
}

/** Keeps the last lines of a log, and knows their numbers. */
export function lineTail(start: TailStart = { bytes: Buffer.alloc(0), droppedLines: 0 }) {
  let { droppedLines } = start;
  let kept = Buffer.allocUnsafeSlow(roomFor(start.bytes.length));
  let bytes = start.bytes.copy(kept);

  /** The second half stays, from the beginning of a line if there is one. */
  const drop = (): void => {
    const all = kept.subarray(0, bytes);
    const least = Math.max(0, bytes - TAIL_BYTES_MAX / 2);
    const cut = all.indexOf(NEWLINE, least) + 1;
    const from = cut === 0 ? least : cut;
    droppedLines += countLines(all.subarray(0, from));
    bytes = all.copy(kept, 0, from);
  };
  const grow = (wanted: number): void => {
    const old = kept;
    kept = Buffer.allocUnsafeSlow(roomFor(wanted));
    old.copy(kept, 0, 0, bytes);
  };

  return {
    push: (chunk: Buffer): void => {
      for (let at = 0; at < chunk.length;) {
        const wanted = bytes + chunk.length - at;
        if (wanted > kept.length && kept.length < TAIL_BYTES_MAX) grow(wanted);
        if (bytes === kept.length) drop();
        const copied = chunk.copy(kept, bytes, at);
        bytes += copied;
        at += copied;
      }
    },
    read: (): LogTail => ({
      text: kept.toString("utf8", 0, bytes),
      firstLineNumber: droppedLines + 1,
    }),
    /** What another one starts from. */
    rest: (): TailStart => ({ bytes: Buffer.from(kept.subarray(0, bytes)), droppedLines }),
  };
}

/** Most logs are short. */
function roomFor(bytes: number): number {
  let room = ROOM_MIN;
  while (room < bytes && room < TAIL_BYTES_MAX) room *= 2;
  return room;
}

function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}
