export const LOG_HEAD_BYTES = 48 * 1024 * 1024;
export const LOG_TAIL_BYTES = 16 * 1024 * 1024;

/** Splits a log: its first bytes are shown as they come, of what follows only the last. */
export interface BoundedLog {
  /** What of this chunk is shown now, and what may be among the last. */
  push(chunk: Buffer): { readonly head: Buffer; readonly rest: Buffer };
  /** So many bytes came; undefined: some of them were not shown. */
  seenBytes(): number | undefined;
  /** Stands between the first bytes and the last: how much was left out; empty if nothing was. */
  gap(): Buffer;
}

const NOTHING = Buffer.alloc(0);

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
  return {
    push: (chunk) => {
      const room = Math.max(0, headBytes - seenBytes);
      seenBytes += chunk.length;
      if (chunk.length <= room) return { head: chunk, rest: NOTHING };
      return { head: chunk.subarray(0, room), rest: chunk.subarray(room) };
    },
    seenBytes: () => (seenBytes > headBytes ? undefined : seenBytes),
    gap: () => {
      const leftOut = seenBytes - headBytes - tailBytes;
      if (leftOut <= 0) return NOTHING;
      return Buffer.from(`\n[tatara: ${leftOut} bytes of this log were left out here]\n`);
    },
  };
}
