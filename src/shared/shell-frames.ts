/**
 * What a shell's two ends say to each other once both have upgraded their connection: one byte that
 * says what it is, four bytes of length (big endian), and that many bytes.
 */
export const FRAME = {
  /** Bytes of the terminal, in either direction. */
  data: 0,
  /** To the shell, as JSON: `{"columns": 80, "rows": 24}`. */
  resize: 1,
  /** From the shell, as JSON: `{"code": 0}`. The last one. */
  exit: 2,
  /** From the shell, as JSON: `{"message": "…"}`. The last one. */
  error: 3,
} as const;

export type FrameKind = keyof typeof FRAME;

export interface Frame {
  readonly kind: FrameKind;
  readonly payload: Buffer;
}

/** The word in the `Upgrade` header. */
export const SHELL_PROTOCOL = "tatara-shell";

const HEADER_BYTES = 5;
export const FRAME_BYTES_MAX = 64 * 1024;
const KINDS = Object.keys(FRAME) as readonly FrameKind[];

export function encodeFrame(kind: FrameKind, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(FRAME[kind], 0);
  header.writeUInt32BE(payload.length, 1);
  return Buffer.concat([header, payload]);
}

export function jsonFrame(kind: Exclude<FrameKind, "data">, value: object): Buffer {
  return encodeFrame(kind, Buffer.from(JSON.stringify(value)));
}

/** Bytes as frames, none larger than one may be. */
export function dataFrames(bytes: Buffer): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += FRAME_BYTES_MAX) {
    frames.push(encodeFrame("data", bytes.subarray(at, at + FRAME_BYTES_MAX)));
  }
  return Buffer.concat(frames);
}

/** The other side does not speak this protocol. */
export class BadFrame extends Error {
  override readonly name = "BadFrame";
}

export interface FrameReader {
  /** The frames that are whole by now. Throws `BadFrame`. */
  push(chunk: Buffer): readonly Frame[];
  /** No frame has begun that is not whole yet. */
  isBetween(): boolean;
}

export function frameReader(): FrameReader {
  let rest = Buffer.alloc(0);
  return {
    isBetween: () => rest.length === 0,
    push: (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      const frames: Frame[] = [];
      while (rest.length >= HEADER_BYTES) {
        const number = rest.readUInt8(0);
        const kind = KINDS.find((known) => FRAME[known] === number);
        const length = rest.readUInt32BE(1);
        if (kind === undefined || length > FRAME_BYTES_MAX) {
          throw new BadFrame(`No frame begins with ${number} and ${length} bytes.`);
        }
        if (rest.length < HEADER_BYTES + length) break;
        frames.push({ kind, payload: rest.subarray(HEADER_BYTES, HEADER_BYTES + length) });
        rest = rest.subarray(HEADER_BYTES + length);
      }
      return frames;
    },
  };
}
