import type { BuildView } from "../../src/server/views.ts";
import {
  aPackage,
  memoryLogFiles,
  memoryRecords,
  type MemoryRecords,
} from "./memory-read-store.ts";
import { FINGERPRINT, MINUTE, sampleBuilds } from "./sample-builds.ts";
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
  fillChannel(records, now);
  for (const build of builds) fillLogs(logs, build);
  return { records, logs, keyFingerprint: FINGERPRINT };
}

function fillChannel(records: MemoryRecords, now: number): void {
  const channel = records.channels.findIndex(({ name }) => name === "dev");
  const publishedAt = now - 30 * MINUTE;
  records.channels[channel] = {
    name: "dev",
    head: 412,
    updatedAt: publishedAt,
    targets: ["debian12.x86_64", "debian12.x86_64-source"],
    packages: [
      aPackage({ publishedAt }),
      aPackage({
        publishedAt: publishedAt - 5 * 60 * MINUTE,
        release: "1.56.g8d02f4e.debian12",
        buildNumber: 41,
      }),
      aPackage({
        publishedAt: publishedAt - 9 * 60 * MINUTE,
        release: "1.55.g51c09aa.debian12",
        buildNumber: 40,
      }),
      aPackage({
        publishedAt,
        name: "hello-doc",
        arch: "noarch",
        sizeBytes: 240_110,
        summary: "Documentation of hello",
      }),
      aPackage({
        publishedAt,
        arch: "src",
        listings: [{ channel: "dev", target: "debian12.x86_64-source" }],
      }),
    ],
    generations: [412, 411, 410].map((number) => ({
      number,
      buildId: "bld-passed",
      createdAt: publishedAt - (412 - number) * 5 * 60 * MINUTE,
    })),
  };
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
