import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Logger } from "../../../src/shared/logger.ts";
import { CRASH_WINDOW_MS, resumesOneByOne } from "../../../src/domain/life/return-of-worker.ts";

const FILE = "returns.json";

const history = z.object({
  /** When a life of this worker was found to have ended without a goodbye, with work in its hands. */
  crashesAt: z.array(z.number()),
  saidGoodbye: z.boolean(),
});

/** How the lives of this worker ended. */
export interface CrashHistory {
  /** A new life finds what the last one left: should it be careful, and resume one job at a time? */
  returned(heldJobs: number): Promise<boolean>;
  goodbye(): Promise<void>;
}

export function crashHistory(
  dir: string,
  { now, logger }: { readonly now: () => number; readonly logger: Logger },
): CrashHistory {
  const path = join(dir, FILE);
  const read = async (): Promise<z.infer<typeof history>> => {
    const text = await readFile(path, "utf8").catch(() => "");
    try {
      return history.parse(JSON.parse(text));
    } catch {
      return { crashesAt: [], saidGoodbye: false };
    }
  };
  const write = async (next: z.infer<typeof history>): Promise<void> => {
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await writeFile(`${path}.new`, JSON.stringify(next));
      await rename(`${path}.new`, path);
    } catch (err) {
      // It is a matter of care: a full disk must not keep a worker from starting, or from its goodbye.
      logger.warn({ err }, "How this worker's lives ended is not written down");
    }
  };
  return {
    returned: async (heldJobs) => {
      const { crashesAt, saidGoodbye } = await read();
      const recent = crashesAt.filter((at) => now() - at <= CRASH_WINDOW_MS);
      const crashes = heldJobs > 0 && !saidGoodbye ? [...recent, now()] : recent;
      await write({ crashesAt: crashes, saidGoodbye: false });
      return resumesOneByOne(crashes, now());
    },
    goodbye: async () => write({ ...(await read()), saidGoodbye: true }),
  };
}
