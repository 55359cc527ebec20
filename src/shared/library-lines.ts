import { format } from "node:util";
import type { Logger } from "./logger.ts";

/**
 * BullMQ says so for each of its connections, in every process. The server says it once, with what to do
 * about it; so do `/healthz` and `tatara doctor`.
 */
const SAID_BETTER = /^IMPORTANT! Eviction policy is /;

/** What libraries print by themselves becomes lines of the operator's log, which has nothing else. */
export function logLibraryLines(
  logger: Logger,
  output: Pick<Console, "warn" | "error"> = globalThis.console,
): void {
  const say = (...words: readonly unknown[]): void => {
    const line = format(...words);
    if (!SAID_BETTER.test(line)) logger.warn({ line }, "A library says something");
  };
  Object.assign(output, { warn: say, error: say });
}
