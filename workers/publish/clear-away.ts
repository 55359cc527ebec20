import { rm } from "node:fs/promises";
import type { Logger } from "../../src/shared/logger.ts";

/** Removes a working folder. What cannot be removed now is, when the publish worker starts again. */
export async function clearAway(folder: string, logger: Logger): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch((err: unknown) => {
    logger.warn({ err, folder }, "A working folder was left");
  });
}
