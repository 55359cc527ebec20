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
} from "../shared/config.ts";
import type { Env } from "../shared/config.ts";
import { namesReadBy } from "./processes/process-table.ts";

/** Stands for what the supervisor decides: what is checked is the rest. */
const SAMPLE_SECRET = "x".repeat(32);
const READERS = [
  readServerConfig,
  readBuildWorkerConfig,
  readPublishWorkerConfig,
  readReportWorkerConfig,
] as const;

/** All that is wrong with any process's settings, as one `ConfigError`, before anything is started. */
export function checkProcessSettings(env: Env, dataDir: string): void {
  const decided = {
    TATARA_DATA_DIR: dataDir,
    TATARA_REDIS_URL: env["TATARA_REDIS_URL"] ?? "/redis.sock",
    TATARA_BUILD_TOKEN: SAMPLE_SECRET,
    TATARA_PUBLISH_TOKEN: SAMPLE_SECRET,
    TATARA_REPORT_TOKEN: SAMPLE_SECRET,
    TATARA_WORKER_TOKEN: SAMPLE_SECRET,
  };
  const problems = READERS.flatMap((read) => problemsOf(() => read({ ...env, ...decided })));
  if (problems.length > 0) throw new ConfigError([...new Set(problems)]);
}

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

/** What nobody reads, and so has no effect: `TATARA_PROT is not known, did you mean TATARA_PORT?` */
export function unknownSettings(env: Env): readonly string[] {
  const readers = [...READERS, readSupervisorConfig, readClientConfig, readLocalRunConfig];
  const known = new Set<string>([...readers.flatMap(namesReadBy), ...COMPOSE_SETTINGS]);
  const unknown = Object.keys(env).filter((name) => name.startsWith("TATARA_") && !known.has(name));
  return unknown.toSorted().map((name) => {
    const near = nearSpelling(name, known);
    return `${name} is not known, ${near === undefined ? "and has no effect" : `did you mean ${near}?`}`;
  });
}

function problemsOf(read: () => unknown): readonly string[] {
  try {
    read();
    return [];
  } catch (err) {
    if (err instanceof ConfigError) return err.problems;
    throw err;
  }
}
