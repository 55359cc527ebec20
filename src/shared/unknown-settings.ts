import { nearSpelling } from "../domain/near-spelling.ts";
import {
  ConfigError,
  readBuildWorkerConfig,
  readClientConfig,
  readLocalRunConfig,
  readPublishWorkerConfig,
  readReportWorkerConfig,
  readServerConfig,
  readSupervisorConfig,
} from "./config.ts";
import type { Env } from "./config.ts";

const READERS = [
  readServerConfig,
  readBuildWorkerConfig,
  readPublishWorkerConfig,
  readReportWorkerConfig,
  readSupervisorConfig,
  readClientConfig,
  readLocalRunConfig,
] as const;

/** Where a container is made of it; no process reads these. */
const COMPOSE_SETTINGS = [
  "TATARA_IMAGE",
  "TATARA_LISTEN",
  "TATARA_SERVER_MEMORY",
  "TATARA_BUILD_MEMORY",
  "TATARA_PUBLISH_MEMORY",
  "TATARA_BACKUP_DIR",
  "TATARA_BASE_FROM",
] as const;

/** A name that nobody reads, so that it has no effect. */
export interface UnknownSetting {
  readonly setting: string;
  readonly didYouMean: string | undefined;
}

/** One file may be for several processes: what any of them reads is known. */
export function unknownSettings(env: Env): readonly UnknownSetting[] {
  const known = new Set<string>([...READERS.flatMap(namesReadBy), ...COMPOSE_SETTINGS]);
  return Object.keys(env)
    .filter((name) => name.startsWith("TATARA_") && !known.has(name))
    .toSorted()
    .map((setting) => ({ setting, didYouMean: nearSpelling(setting, known) }));
}

/** The names of all variables that a reader asks for, found by letting it read from nothing. */
export function namesReadBy(reader: (env: Env) => unknown): readonly string[] {
  const names = new Set<string>();
  const nothing = new Proxy<Env>(
    {},
    {
      get: (_target, name) => {
        names.add(String(name));
        return undefined;
      },
    },
  );
  try {
    reader(nothing);
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err; // Nothing is set, so the reader complains.
  }
  return [...names];
}
