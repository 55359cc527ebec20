import { tmpdir } from "node:os";
import type { LogTail } from "../../../src/domain/failure-evidence.ts";
import type { OutputPlace } from "../engine.ts";
import { LOG_TAIL_BYTES, boundLog } from "./bounded-log.ts";
import { lineTail } from "./line-tail.ts";
import type { TailStart } from "./line-tail.ts";
import type { LogMark } from "./log-mark.ts";
import { createMask } from "./mask.ts";
import { outputCursor } from "./output-cursor.ts";
import { ringFile } from "./ring-file.ts";
import type { Spool, SpoolStart } from "./spool.ts";

const MASK_FLUSH_MS = 100;

/** The log of one step: masked, bounded, on its way to the server. */
export interface StepLog {
  /**
   * Takes bytes as a program printed them; a slow server holds the writer back. It never fails: what
   * goes wrong is thrown by `end`. With `place` a later life of the worker can go on behind it.
   */
  write(chunk: Buffer, place?: OutputPlace): Promise<void>;
  /** A line of ours. */
  say(line: string): void;
  /** Where in its container's output an earlier life left off; undefined: it had taken none. */
  readonly from: LogMark | undefined;
  /** The last part of the log, as it was shown. */
  tail(): LogTail;
  /** Resolves when the server has every byte. */
  end(): Promise<void>;
  /** What an ended log has, as it was sent. */
  sizeBytes(): number;
  /** Sends the rest of an ended log once more. */
  resend(fromBytes: number): Promise<void>;
  /** Drops what was not sent. */
  close(): Promise<void>;
}

/** A log that an earlier life of this worker began. */
export interface RecoveredLog {
  /** Undefined: the step starts over, and what it says once more is left out. */
  readonly mark: LogMark | undefined;
  readonly tail: TailStart;
  readonly spool: SpoolStart;
}

export function openStepLog(
  secrets: readonly string[],
  openSpool: () => Promise<Spool>,
  {
    recovered,
    dir = tmpdir(),
  }: {
    readonly recovered?: RecoveredLog | undefined;
    /** Where the end of a log is held that is too long. */
    readonly dir?: string;
  } = {},
): StepLog {
  const from = recovered?.mark;
  const mask = createMask(secrets, from?.mask);
  const bounded = boundLog({ seenBytes: from?.seenBytes ?? 0 });
  const cursor = outputCursor(from);
  const tail = lineTail(recovered?.tail);
  const lastBytes = ringFile(dir, LOG_TAIL_BYTES);
  let opening: Promise<Spool> | undefined;
  let sizeBytes = 0;
  let flushTimer: NodeJS.Timeout | undefined;
  let ended: Promise<void> | undefined;
  let failure: { readonly err: unknown } | undefined;

  const store = async (bytes: Buffer, mark?: Omit<LogMark, "fileBytes">): Promise<void> => {
    if (bytes.length === 0) return;
    // Most logs are short and many steps print nothing: no file before there is a byte.
    opening ??= openSpool();
    await opening
      .then((spool) => spool.write(bytes, mark))
      .catch((err: unknown) => (failure ??= { err }));
  };
  /** Of what is too long, only the end is wanted, once it has come. */
  const hold = async (bytes: Buffer): Promise<void> => {
    if (bytes.length === 0 || failure !== undefined) return;
    await lastBytes.write(bytes).catch((err: unknown) => (failure ??= { err }));
  };
  const show = async (bytes: Buffer): Promise<void> => {
    tail.push(bytes);
    const { head, rest } = bounded.push(bytes);
    await Promise.all([store(head), hold(rest)]);
  };
  /** Of a container's output: it can be read again from where this leaves off. */
  const showOutput = async (bytes: Buffer): Promise<void> => {
    tail.push(bytes);
    const { head, rest } = bounded.push(bytes);
    const seenBytes = bounded.seenBytes();
    const isMarked = head.length > 0 && seenBytes !== undefined;
    const mark = isMarked ? cursor.mark({ mask: mask.place(), seenBytes }) : undefined;
    await Promise.all([store(head, mark), hold(rest)]);
  };
  const flushSoon = (): void => {
    flushTimer ??= setTimeout(() => {
      flushTimer = undefined;
      void showOutput(mask.flushShort());
    }, MASK_FLUSH_MS);
  };
  const finish = async (): Promise<void> => {
    clearTimeout(flushTimer);
    await show(mask.end());
    await store(bounded.gap());
    for await (const bytes of lastBytes.read()) await store(bytes);
    // What an earlier life left may not be sent yet, though nothing is said any more.
    if (recovered !== undefined) opening ??= openSpool();
    if (failure) throw failure.err;
    const spool = await opening;
    await spool?.drain();
    sizeBytes = spool?.sizeBytes() ?? 0;
  };

  return {
    from,
    write: (chunk, place) => {
      flushSoon();
      const shown = mask.push(chunk);
      if (place === undefined) return show(shown);
      cursor.take(chunk, place);
      return showOutput(shown);
    },
    say: (line) => {
      void show(mask.push(Buffer.from(`${line}\n`)));
      // A line of ours is said whole, so that nothing held back is but a container's output.
      void show(mask.end());
    },
    tail: () => tail.read(),
    end: () => (ended ??= finish()),
    sizeBytes: () => sizeBytes,
    resend: async (fromBytes) => await (await opening)?.resend(fromBytes),
    close: async () => {
      clearTimeout(flushTimer);
      await lastBytes.close();
      await opening?.then(
        (spool) => spool.close(),
        () => undefined,
      );
    },
  };
}
