import { ConfigError, processEnv } from "./config.ts";
import type { Env } from "./config.ts";
import { logLibraryLines } from "./library-lines.ts";
import { createLogger } from "./logger.ts";
import { unknownSettings } from "./unknown-settings.ts";

/** What we were given can never work: starting again changes nothing. */
export const REFUSED_CODE = 2;

/**
 * A process's settings, read once at its start. Names that nobody reads are told, first, for one of them
 * may be why another is missing; what cannot be used ends the process, in words for people.
 */
export function startSettings<Config>(
  read: (env: Env) => Config,
  { process: name, now }: { readonly process: string; readonly now: () => number },
): Config {
  const env = processEnv();
  const logger = createLogger({ process: name, level: "info", now });
  logLibraryLines(logger);
  for (const unknown of unknownSettings(env)) {
    logger.warn({ ...unknown }, "A setting is not known and has no effect");
  }
  try {
    return read(env);
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err;
    process.stderr.write(`${err.message}\n`);
    process.exit(REFUSED_CODE);
  }
}
