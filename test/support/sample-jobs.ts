import type { StepDetails } from "../../src/shared/build-messages.ts";
import type { BuildView } from "../../src/server/views.ts";
import { aBuild, aJob, aStep } from "./memory-read-store.ts";

const SECOND = 1_000;
const GIBIBYTE = 1024 ** 3;

export function someStepDetails(some: Partial<StepDetails> = {}): StepDetails {
  return {
    exitCode: 0,
    memoryPeakBytes: null,
    memoryLimitBytes: null,
    reuse: [],
    services: [],
    shellUntil: null,
    isAllowed: false,
    warnings: [],
    ...some,
  };
}

/** Two projects, two targets, a matrix with a service, a project left out, and packages to verify. */
export function severalJobs(now: number): BuildView {
  const createdAt = now - 4 * 3_600 * SECOND;
  const at = (seconds: number): number => createdAt + seconds * SECOND;
  const took = (from: number, to: number) => ({ startedAt: at(from), endedAt: at(to) });
  const memory = { memoryPeakBytes: 1.9 * GIBIBYTE, memoryLimitBytes: 4 * GIBIBYTE };
  const passed = { state: "passed" as const };
  return aBuild({
    id: "bld-several",
    repo: "acme/website",
    number: 14,
    createdAt,
    startedAt: at(2),
    endedAt: at(96),
    state: "passed",
    event: "pull-request",
    ref: "refs/pull/12/head",
    pullRequest: { number: 12, baseBranch: "main", headBranch: "topic", isFork: false },
    message: "web: offer a second language",
    jobs: [
      aJob({
        ...passed,
        ...took(2, 60),
        id: "job-s1",
        name: "api el9.x86_64",
        project: "api",
        target: "el9.x86_64",
        queuedAt: createdAt,
        steps: [
          aStep({ ...passed, ...took(2, 3), name: "checkout", kind: "checkout" }),
          aStep({
            ...passed,
            ...took(3, 12),
            name: "image",
            kind: "image",
            details: someStepDetails({ reuse: [{ what: "layers 9 of 11", savedMs: 31_000 }] }),
          }),
          aStep({
            ...passed,
            ...took(12, 40),
            name: "unit-22",
            title: "unit (node 22)",
            details: someStepDetails({
              ...memory,
              services: ["db"],
              reuse: [{ what: "~/.npm from #13", savedMs: 7_000 }],
            }),
          }),
          aStep({
            state: "failed",
            ...took(12, 31),
            name: "unit-24",
            title: "unit (node 24)",
            details: someStepDetails({
              ...memory,
              exitCode: 1,
              isAllowed: true,
              services: ["db"],
              warnings: ["no file matches out/junit.xml; found: out/results.xml"],
            }),
          }),
          aStep({
            state: "skipped",
            name: "e2e",
            note: "not on pull requests",
          }),
          aStep({ ...passed, ...took(40, 60), name: "package", kind: "package" }),
        ],
      }),
      aJob({
        ...passed,
        ...took(60, 80),
        id: "job-s2",
        name: "api el10.x86_64",
        project: "api",
        target: "el10.x86_64",
        needs: ["job-s1"],
        queuedAt: createdAt,
        steps: [
          aStep({ ...passed, ...took(60, 61), name: "checkout", kind: "checkout" }),
          aStep({ ...passed, ...took(61, 80), name: "package", kind: "package" }),
        ],
      }),
      ...["docs", "agent"].map((project) =>
        aJob({
          state: "skipped",
          id: `job-${project}`,
          name: `${project} el9.x86_64`,
          project,
          target: "el9.x86_64",
          reason: "no changed file concerns it",
          queuedAt: createdAt,
        }),
      ),
      aJob({
        ...passed,
        ...took(82, 94),
        id: "job-v1",
        name: "api el9.x86_64 verify",
        project: "api",
        kind: "verify",
        target: "el9.x86_64",
        needs: ["job-s1", "job-s2"],
        queuedAt: createdAt,
        steps: [aStep({ ...passed, ...took(82, 94), name: "verify", kind: "verify" })],
      }),
    ],
    staging: {
      state: "live",
      channels: ["build-bld-several"],
      generations: [{ channel: "build-bld-several", number: 1 }],
      ...took(80, 82),
      durationMs: 90,
      keyFingerprint: null,
      warnings: [],
    },
  });
}
