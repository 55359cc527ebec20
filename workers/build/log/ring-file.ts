import { randomUUID } from "node:crypto";
import { mkdir, open, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";

/** Goes to the disk in one piece. */
const PIECE_BYTES = 256 * 1024;

/** Keeps the last bytes of what is written, on the disk: many logs may be too long at a time. */
export interface RingFile {
  /** In the order of the calls. Resolves when there is room for more; throws what the disk says. */
  write(chunk: Buffer): Promise<void>;
  /** What is kept, in pieces; nothing is written any more. */
  read(): AsyncGenerator<Buffer>;
  close(): Promise<void>;
}

/** Its file is made with the first byte, in `dir`, and has no name: it ends with this process. */
export function ringFile(dir: string, sizeBytes: number): RingFile {
  let opening: Promise<FileHandle> | undefined;
  let piece: Buffer | undefined;
  let pieceBytes = 0;
  let writtenBytes = 0;
  let last = Promise.resolve();

  const flush = async (): Promise<void> => {
    if (piece === undefined || pieceBytes === 0) return;
    const file = await (opening ??= openNameless(dir));
    for (let at = 0; at < pieceBytes;) {
      const place = writtenBytes % sizeBytes;
      const length = Math.min(pieceBytes - at, sizeBytes - place);
      const { bytesWritten } = await file.write(piece, at, length, place);
      writtenBytes += bytesWritten;
      at += bytesWritten;
    }
    pieceBytes = 0;
  };
  const take = async (chunk: Buffer): Promise<void> => {
    piece ??= Buffer.allocUnsafeSlow(PIECE_BYTES);
    for (let at = 0; at < chunk.length;) {
      const copied = chunk.copy(piece, pieceBytes, at);
      pieceBytes += copied;
      at += copied;
      if (pieceBytes === PIECE_BYTES) await flush();
    }
  };

  return {
    write: (chunk) => (last = last.then(() => take(chunk))),
    async *read() {
      await last;
      await flush();
      const file = await opening;
      if (file === undefined) return;
      const end = writtenBytes;
      for (let at = Math.max(0, end - sizeBytes); at < end;) {
        const place = at % sizeBytes;
        const length = Math.min(PIECE_BYTES, end - at, sizeBytes - place);
        const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, place);
        if (bytesRead === 0) throw new Error("The end of a log is shorter than what was written.");
        yield buffer.subarray(0, bytesRead);
        at += bytesRead;
      }
    },
    close: async () => {
      await last.catch(() => undefined);
      await (await opening?.catch(() => undefined))?.close();
    },
  };
}

async function openNameless(dir: string): Promise<FileHandle> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, `.end-${randomUUID()}`);
  const file = await open(path, "wx+", 0o600);
  await rm(path);
  return file;
}
