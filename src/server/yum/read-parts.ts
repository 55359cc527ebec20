import { open } from "node:fs/promises";
import type { FilePart } from "../../yum/served-view.ts";
import { SMALL_FILE_BYTES_MAX } from "./small-files.ts";
import type { SmallFiles } from "./small-files.ts";

const CHUNK_BYTES = 256 * 1_024;

/**
 * The bytes of the parts, one after another, with at most one file open. A chunk is good until the
 * next but one is asked for: its buffer is then used again. Throws when a file is gone or too short.
 */
export async function* readParts(
  parts: readonly FilePart[],
  small: SmallFiles | undefined,
): AsyncGenerator<Buffer, void, void> {
  for (const part of parts) {
    const mayBeSmall = part.start + part.bytes <= SMALL_FILE_BYTES_MAX;
    const whole = mayBeSmall ? await small?.read(part.path) : undefined;
    if (whole === undefined) yield* readLarge(part);
    else yield cut(whole, part);
  }
}

function cut(whole: Buffer, { path, start, bytes }: FilePart): Buffer {
  const found = whole.subarray(start, start + bytes);
  if (found.length < bytes) throw tooShort(path);
  return found;
}

async function* readLarge({ path, start, bytes }: FilePart): AsyncGenerator<Buffer, void, void> {
  const file = await open(path, "r");
  try {
    const newBuffer = (): Buffer => Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, bytes));
    // Two in turn: one is read into while the other is on its way to the client.
    let buffer = newBuffer();
    let other: Buffer | undefined;
    for (let done = 0; done < bytes;) {
      const length = Math.min(buffer.length, bytes - done);
      const { bytesRead } = await file.read(buffer, 0, length, start + done);
      if (bytesRead === 0) throw tooShort(path);
      done += bytesRead;
      yield buffer.subarray(0, bytesRead);
      if (done < bytes) [buffer, other] = [other ?? newBuffer(), buffer];
    }
  } finally {
    await file.close();
  }
}

function tooShort(path: string): Error {
  return new Error(`${path} is shorter than its generation says.`);
}
