import type { LogTail } from "../../../src/domain/failure-evidence.ts";
import type { OutputPlace } from "../engine.ts";
import { boundLog } from "./bounded-log.ts";
import { lineTail } from "./line-tail.ts";
import type { TailStart } from "./line-tail.ts";
import type { LogMark } from "./log-mark.ts";
import { createMask } from "./mask.ts";
import { outputCursor } from "./output-cursor.ts";
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
  recovered?: RecoveredLog,
): StepLog {
  const from = recovered?.mark;
  const mask = createMask(secrets, from?.mask);
  const bounded = boundLog({ seenBytes: from?.seenBytes ?? 0 });
  const cursor = outputCursor(from);
  const tail = lineTail(recovered?.tail);
  let opening: Promise<Spool> | undefined;
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
  const show = (bytes: Buffer): Promise<void> => {
    tail.push(bytes);
    return store(bounded.push(bytes));
  };
  /** Of a container's output: it can be read again from where this leaves off. */
  const showOutput = (bytes: Buffer): Promise<void> => {
    tail.push(bytes);
    const kept = bounded.push(bytes);
    const seenBytes = bounded.seenBytes();
    if (kept.length === 0 || seenBytes === undefined) return store(kept);
    return store(kept, cursor.mark({ mask: mask.place(), seenBytes }));
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
    await store(bounded.end());
    // What an earlier life left may not be sent yet, though nothing is said any more.
    if (recovered !== undefined) opening ??= openSpool();
    if (failure) throw failure.err;
    await (await opening)?.drain();
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
    close: async () => {
      clearTimeout(flushTimer);
      await opening?.then(
        (spool) => spool.close(),
        () => undefined,
      );
    },
  };
}
