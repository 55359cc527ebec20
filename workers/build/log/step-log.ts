import type { LogTail } from "../../../src/domain/failure-evidence.ts";
import { boundLog } from "./bounded-log.ts";
import { createMask } from "./mask.ts";
import type { Spool } from "./spool.ts";

const TAIL_BYTES_MAX = 256 * 1024;
const MASK_FLUSH_MS = 100;

/** The log of one step: masked, bounded, on its way to the server. */
export interface StepLog {
  /**
   * Takes bytes as a program printed them; a slow server holds the writer back. It never fails: what
   * goes wrong is thrown by `end`.
   */
  write(chunk: Buffer): Promise<void>;
  /** A line of ours. */
  say(line: string): void;
  /** The last part of the log, as it was shown. */
  tail(): LogTail;
  /** Resolves when the server has every byte. */
  end(): Promise<void>;
  /** Drops what was not sent. */
  close(): Promise<void>;
}

export function openStepLog(secrets: readonly string[], openSpool: () => Promise<Spool>): StepLog {
  const mask = createMask(secrets);
  const bounded = boundLog();
  const tail = lineTail();
  let opening: Promise<Spool> | undefined;
  let flushTimer: NodeJS.Timeout | undefined;
  let ended: Promise<void> | undefined;
  let failure: { readonly err: unknown } | undefined;

  const store = async (bytes: Buffer): Promise<void> => {
    if (bytes.length === 0) return;
    // Most logs are short and many steps print nothing: no file before there is a byte.
    opening ??= openSpool();
    await opening
      .then((spool) => spool.write(bytes))
      .catch((err: unknown) => (failure ??= { err }));
  };
  const show = (bytes: Buffer): Promise<void> => {
    tail.push(bytes);
    return store(bounded.push(bytes));
  };
  const flushSoon = (): void => {
    flushTimer ??= setTimeout(() => {
      flushTimer = undefined;
      void show(mask.flushShort());
    }, MASK_FLUSH_MS);
  };
  const finish = async (): Promise<void> => {
    clearTimeout(flushTimer);
    await show(mask.end());
    await store(bounded.end());
    if (failure) throw failure.err;
    await (await opening)?.drain();
  };

  return {
    write: (chunk) => {
      flushSoon();
      return show(mask.push(chunk));
    },
    say: (line) => void show(mask.push(Buffer.from(`${line}\n`))),
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

function lineTail() {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let droppedLines = 0;

  const drop = (): void => {
    const all = Buffer.concat(chunks);
    const cut = all.indexOf(0x0a, all.length - TAIL_BYTES_MAX / 2) + 1;
    const from = cut === 0 ? all.length - TAIL_BYTES_MAX / 2 : cut;
    droppedLines += countLines(all.subarray(0, from));
    chunks = [Buffer.from(all.subarray(from))];
    bytes = all.length - from;
  };

  return {
    push: (chunk: Buffer): void => {
      if (chunk.length === 0) return;
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > TAIL_BYTES_MAX) drop();
    },
    read: (): LogTail => ({
      text: Buffer.concat(chunks).toString(),
      firstLineNumber: droppedLines + 1,
    }),
  };
}

function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) count += 1;
  return count;
}
