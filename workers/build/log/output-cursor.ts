import { createHash } from "node:crypto";
import type { OutputPlace } from "../engine.ts";
import type { LogMark, OutputHead } from "./log-mark.ts";
import type { MaskPlace } from "./mask.ts";

export const HEAD_BYTES = 4 * 1024;

/** Follows how much of a container's output a log has taken. */
export interface OutputCursor {
  take(chunk: Buffer, place: OutputPlace): void;
  /** Undefined: no output was taken yet. */
  mark(log: {
    readonly mask: MaskPlace;
    readonly seenBytes: number;
  }): Omit<LogMark, "fileBytes"> | undefined;
}

type Stream = OutputPlace["stream"];

export function outputCursor(from?: LogMark): OutputCursor {
  let container = from?.container;
  let taken = { stdout: from?.stdout ?? 0, stderr: from?.stderr ?? 0 };
  /** What was taken last, newest at the end: a mask may hold some of it back. */
  let trail: { stream: Stream; bytes: number }[] = [];
  let head = headHash(from?.head);

  const heldOf = (heldBytes: number): Record<Stream, number> => {
    const held = { stdout: 0, stderr: 0 };
    let left = heldBytes;
    const kept: typeof trail = [];
    for (const part of trail.toReversed()) {
      if (left === 0) break;
      const bytes = Math.min(left, part.bytes);
      held[part.stream] += bytes;
      left -= bytes;
      kept.unshift({ stream: part.stream, bytes });
    }
    trail = kept;
    return held;
  };

  return {
    take: (chunk, place) => {
      if (container !== place.container) {
        container = place.container;
        trail = [];
        head = headHash();
      }
      const { stream, stdout, stderr } = place;
      taken = { stdout, stderr };
      if (stream === "stdout") head.push(chunk, stdout - chunk.length);
      const last = trail.at(-1);
      if (last?.stream === stream) last.bytes += chunk.length;
      else trail.push({ stream, bytes: chunk.length });
    },
    mark: ({ mask, seenBytes }) => {
      const held = heldOf(mask.heldBytes);
      if (container === undefined) return undefined;
      const stdout = taken.stdout - held.stdout;
      const stderr = taken.stderr - held.stderr;
      const place = { ...mask, covers: [...mask.covers] };
      return { container, stdout, stderr, seenBytes, mask: place, head: head.read() };
    },
  };
}

/** The hash of a stream's first bytes, of as many as came without a gap. */
function headHash(known?: OutputHead) {
  let bytes = Buffer.alloc(0);
  let cached = known;
  return {
    push: (chunk: Buffer, from: number): void => {
      if (known !== undefined || from !== bytes.length || from >= HEAD_BYTES) return;
      bytes = Buffer.concat([bytes, chunk.subarray(0, HEAD_BYTES - from)]);
      cached = undefined;
    },
    read: (): OutputHead => (cached ??= headOf(bytes)),
  };
}

export function headOf(bytes: Buffer): OutputHead {
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}
