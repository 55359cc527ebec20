export const LOG_HEAD_BYTES = 48 * 1024 * 1024;
export const LOG_TAIL_BYTES = 16 * 1024 * 1024;

/** Keeps the first bytes of a log as they come and only the last ones of what follows. */
export interface BoundedLog {
  /** What is kept of this chunk now. */
  push(chunk: Buffer): Buffer;
  /** So many bytes came; undefined: some of them are kept nowhere but here. */
  seenBytes(): number | undefined;
  /** The end of the log: in place of what was left out, a line that says how much. */
  end(): Buffer;
}

export function boundLog({
  headBytes = LOG_HEAD_BYTES,
  tailBytes = LOG_TAIL_BYTES,
  seenBytes: seenBefore = 0,
}: {
  readonly headBytes?: number;
  readonly tailBytes?: number;
  /** Bytes that came before, all of them among the first. */
  readonly seenBytes?: number;
} = {}): BoundedLog {
  let seenBytes = seenBefore;
  // Most logs never need it.
  let tail: RingBuffer | undefined;

  return {
    push: (chunk) => {
      const room = Math.max(0, headBytes - seenBytes);
      seenBytes += chunk.length;
      if (chunk.length <= room) return chunk;
      tail ??= ringBuffer(tailBytes);
      tail.push(chunk.subarray(room));
      return chunk.subarray(0, room);
    },
    seenBytes: () => (tail === undefined ? seenBytes : undefined),
    end: () => {
      if (tail === undefined) return Buffer.alloc(0);
      const kept = tail.read();
      const leftOut = seenBytes - headBytes - kept.length;
      tail = undefined;
      return leftOut === 0 ? kept : Buffer.concat([gap(leftOut), kept]);
    },
  };
}

function gap(bytes: number): Buffer {
  return Buffer.from(`\n[tatara: ${bytes} bytes of this log were left out here]\n`);
}

interface RingBuffer {
  push(chunk: Buffer): void;
  read(): Buffer;
}

function ringBuffer(sizeBytes: number): RingBuffer {
  const ring = Buffer.allocUnsafe(sizeBytes);
  let position = 0;
  let isFull = false;

  const push = (chunk: Buffer): void => {
    const last = chunk.subarray(Math.max(0, chunk.length - sizeBytes));
    const atEnd = last.subarray(0, sizeBytes - position);
    atEnd.copy(ring, position);
    last.subarray(atEnd.length).copy(ring, 0);
    isFull ||= position + last.length >= sizeBytes;
    position = (position + last.length) % sizeBytes;
  };
  const read = (): Buffer =>
    isFull
      ? Buffer.concat([ring.subarray(position), ring.subarray(0, position)])
      : Buffer.from(ring.subarray(0, position));
  return { push, read };
}
