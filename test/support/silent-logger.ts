import type { Logger } from "../../src/shared/logger.ts";

/** For tests that do not look at the operator's log. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};
