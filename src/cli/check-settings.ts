import {
  ConfigError,
  readBuildWorkerConfig,
  readPublishWorkerConfig,
  readReportWorkerConfig,
  readServerConfig,
} from "../shared/config.ts";
import type { Env } from "../shared/config.ts";
import { unknownSettings } from "../shared/unknown-settings.ts";

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

/** What nobody reads, and so has no effect: `TATARA_PROT is not known, did you mean TATARA_PORT?` */
export function unknownInWords(env: Env): readonly string[] {
  return unknownSettings(env).map(({ setting, didYouMean }) => {
    const effect = didYouMean === undefined ? "and has no effect" : `did you mean ${didYouMean}?`;
    return `${setting} is not known, ${effect}`;
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
