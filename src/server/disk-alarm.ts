import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { diskRefusal, speaksOfDisk } from "../shared/disk-errors.ts";

/** So long an operator still sees that the disk refused something, after it works again. */
const REMEMBERED_MS = 10 * 60_000;
/** A look is a write and a sync. */
const LOOK_EVERY_MS = 1_000;
const PROBE_BYTES = 64 * 1024;
const TO_DO = "Make room or mend the disk; nothing needs to be restarted.";

export interface DiskAlarm {
  /** True if it is the disk that refused; then it is remembered. `who` did not get its way. */
  note(who: string, err: unknown): boolean;
  /** The same of a program that we ran, by what it said at its end. */
  noteWords(who: string, text: string): void;
  /** A worker told us of its disk, in its own words. */
  noteWorker(worker: string, message: string): void;
  /** Sentences for `/healthz`: what was refused, where, why, and what to do. */
  report(): Promise<{ readonly problems: readonly string[]; readonly warnings: readonly string[] }>;
}

interface Refused {
  readonly at: number;
  readonly what: string;
}

/**
 * Remembers what the disk refused, and says so until it takes writes again and some time after. What
 * ends this process is written down, if that can be, for its next life to tell.
 */
export function openDiskAlarm({
  dataDir,
  now,
}: {
  readonly dataDir: string;
  readonly now: () => number;
}): DiskAlarm {
  const memory = join(dataDir, "disk-alarm.json");
  let own = recall(memory);
  let workers: Refused | undefined;
  let looked = { at: Number.NEGATIVE_INFINITY, why: Promise.resolve<string | undefined>("") };

  const whyNot = (): Promise<string | undefined> => {
    if (now() - looked.at > LOOK_EVERY_MS || now() < looked.at) {
      looked = { at: now(), why: probe(dataDir) };
    }
    return looked.why;
  };
  const isFresh = (refused: Refused): boolean => Math.abs(now() - refused.at) < REMEMBERED_MS;
  const ago = ({ at }: Refused): string => `${Math.max(0, Math.round((now() - at) / 1_000))} s ago`;

  return {
    note: (who, err) => {
      const refusal = diskRefusal(err);
      if (refusal === undefined) return false;
      const { code, why, call, path } = refusal;
      const where = [call, path ?? `below ${dataDir}`].filter(Boolean).join(" ");
      own = { at: now(), what: `${who}: ${where} was refused, since ${why} (${code})` };
      remember(memory, own);
      return true;
    },
    noteWords: (who, text) => {
      if (!speaksOfDisk(text)) return;
      const last = text.trim().split("\n").slice(-3).join(" ").slice(0, 500);
      own = { at: now(), what: `${who} below ${dataDir} was refused: ${last}` };
    },
    noteWorker: (worker, message) => {
      workers = { at: now(), what: `the ${worker} worker's disk refused a write: ${message}` };
    },
    report: async () => {
      const problems: string[] = [];
      const warnings: string[] = [];
      if (own !== undefined) {
        const why = await whyNot();
        if (why !== undefined) {
          problems.push(`the disk takes no writes (${why}); ${ago(own)} ${own.what}. ${TO_DO}`);
        } else if (isFresh(own)) {
          const lost = "Nothing that was accepted is lost.";
          warnings.push(`${ago(own)} ${own.what}. The disk takes writes again. ${lost}`);
        } else {
          own = undefined;
          rmSync(memory, { force: true });
        }
      }
      if (workers !== undefined && isFresh(workers)) {
        warnings.push(`${ago(workers)} ${workers.what}. It tries again by itself. ${TO_DO}`);
      }
      return { problems, warnings };
    },
  };
}

/** Why nothing can be written to the folder; undefined: something was, and reached the disk. */
export async function probe(dataDir: string): Promise<string | undefined> {
  const path = join(dataDir, ".disk-probe");
  try {
    const file = await open(path, "w", 0o600);
    try {
      await file.writeFile(Buffer.alloc(PROBE_BYTES, 1));
      await file.sync();
    } finally {
      await file.close();
    }
    return undefined;
  } catch (err) {
    const refusal = diskRefusal(err);
    return refusal?.why ?? (err instanceof Error ? err.message : String(err));
  } finally {
    await rm(path, { force: true }).catch(() => undefined);
  }
}

/** At once: the process may end the next moment. The disk may refuse this too. */
function remember(path: string, refused: Refused): void {
  try {
    writeFileSync(path, JSON.stringify(refused), { mode: 0o600 });
  } catch {
    // Then the next life does not know; it finds out by itself when the disk refuses again.
  }
}

function recall(path: string): Refused | undefined {
  try {
    const { at, what } = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    return typeof at === "number" && typeof what === "string" ? { at, what } : undefined;
  } catch {
    return undefined; // None, or half of one.
  }
}
