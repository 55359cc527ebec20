import type { BuildView } from "../../src/server/views.ts";
import { memoryLogFiles, memoryRecords, type MemoryRecords } from "./memory-read-store.ts";
import { FINGERPRINT, MINUTE, sampleBuilds } from "./sample-builds.ts";
import { fillChannels } from "./sample-channels.ts";
import { testLog } from "./sample-log.ts";

export interface Sample {
  readonly records: MemoryRecords;
  readonly logs: ReturnType<typeof memoryLogFiles>;
  readonly keyFingerprint: string;
}

/** A server that has been in use for a while: one build of every kind. */
export function sampleRecords(now: number): Sample {
  const records = memoryRecords();
  const logs = memoryLogFiles();
  records.repos.push(
    {
      name: "acme/hello",
      forge: "own",
      defaultBranch: "main",
      createdAt: now - 40 * 24 * 60 * MINUTE,
    },
    {
      name: "acme/website",
      forge: "github",
      defaultBranch: "main",
      createdAt: now - 9 * 24 * 60 * MINUTE,
    },
    {
      name: "tools/rotate-logs",
      forge: "github",
      defaultBranch: "trunk",
      createdAt: now - 3 * MINUTE,
    },
  );
  const builds = sampleBuilds(now);
  records.builds.push(...builds);
  records.counts = { ...records.counts, liveWorkers: 2, jobsRunning: 1, jobsQueued: 1 };
  fillChannels(records, now);
  for (const build of builds) fillLogs(logs, build);
  return { records, logs, keyFingerprint: FINGERPRINT };
}

function fillLogs(logs: Sample["logs"], build: BuildView): void {
  for (const job of build.jobs) {
    for (const { name, startedAt, state } of job.steps) {
      if (startedAt === null) continue;
      const log = { buildId: build.id, jobId: job.id, attempt: job.attempt, step: name };
      logs.set(
        log,
        name === "unit"
          ? testLog(state === "failed")
          : `$ ${name}\n${"a line of output\n".repeat(12)}done in 0.2s\n`,
      );
    }
  }
}
