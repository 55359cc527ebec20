import { open, readFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { z } from "zod";

/**
 * Where a log is: so much of a container's output has become so much of the log's file. A later life
 * of the worker goes on exactly there. It tells nothing of the output itself.
 */
const logMark = z.object({
  container: z.string(),
  /** Bytes of each of its streams that the log has used up; what a mask holds back is not among them. */
  stdout: z.number().int().nonnegative(),
  stderr: z.number().int().nonnegative(),
  /** Of the log's file, which holds all that was made of them. */
  fileBytes: z.number().int().nonnegative(),
  /** Bytes that went through the log's bound. */
  seenBytes: z.number().int().nonnegative(),
  mask: z.object({
    heldBytes: z.number().int().nonnegative(),
    shownBytes: z.number().int().nonnegative(),
    covers: z.array(z.object({ start: z.number(), end: z.number(), isMarked: z.boolean() })),
  }),
  /** By what its first bytes are known again: an engine may drop the oldest. */
  head: z.object({ bytes: z.number().int().nonnegative(), sha256: z.string() }),
});

export type LogMark = z.infer<typeof logMark>;

export type OutputHead = LogMark["head"];

const markRecord = z.object({ number: z.number().int(), mark: logMark });
const SLOT_BYTES = 64 * 1024;

/** The marks of one log: two places in a file are written in turns, so one of them is always whole. */
export interface MarkFile {
  save(mark: LogMark): Promise<void>;
  close(): Promise<void>;
}

export function markPath(logPath: string): string {
  return `${logPath}.mark`;
}

/** The file is made when the first mark is saved. */
export function openMarkFile(path: string, lastNumber: number): MarkFile {
  let file: FileHandle | undefined;
  let number = lastNumber;
  return {
    save: async (mark) => {
      file ??= await open(path, lastNumber === 0 ? "w" : "r+", 0o600);
      number += 1;
      const text = JSON.stringify({ number, mark });
      const record = Buffer.from(`${crc32(text).toString(16).padStart(8, "0")} ${text}\n`);
      if (record.length > SLOT_BYTES) throw new Error("A log's mark is too long.");
      await file.write(record, 0, record.length, (number % 2) * SLOT_BYTES);
    },
    close: async () => {
      await file?.close();
    },
  };
}

/** The newest whole mark; undefined: there is none. */
export async function readMark(
  path: string,
): Promise<{ readonly number: number; readonly mark: LogMark } | undefined> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  const slots = [bytes.subarray(0, SLOT_BYTES), bytes.subarray(SLOT_BYTES)].flatMap(readSlot);
  return slots.toSorted((one, other) => other.number - one.number)[0];
}

function readSlot(slot: Buffer) {
  const end = slot.indexOf(0x0a);
  const line = slot.subarray(0, Math.max(0, end)).toString();
  const text = line.slice(9);
  if (text === "" || crc32(text) !== Number.parseInt(line.slice(0, 8), 16)) return [];
  const parsed = markRecord.safeParse(JSON.parse(text));
  return parsed.success ? [parsed.data] : [];
}
