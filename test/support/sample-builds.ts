import type { FailureCard } from "../../src/shared/message-parts.ts";
import type { BuildView, StepView } from "../../src/server/views.ts";
import { badFile } from "./sample-bad-file.ts";
import { severalJobs } from "./sample-jobs.ts";
import { aBuild, aJob, aPackage, aStep } from "./memory-read-store.ts";

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const FINGERPRINT = "4f2a91c07d3e5b8864a1f0c2d9e37a5510cc77b3";

/** A build of every kind, the newest first. */
export function sampleBuilds(now: number): readonly BuildView[] {
  return [
    queued(now),
    running(now),
    failed(now),
    passed(now),
    errored(now),
    cancelled(now),
    skipped(now),
    badFile(now),
    unpublished(now),
    severalJobs(now),
    ...history(now),
  ];
}

/** Steps one after the other, in the given seconds; the last one has the given state. */
function stepsFrom(
  startedAt: number,
  parts: readonly (readonly [name: string, seconds: number, more?: Partial<StepView>])[],
): readonly StepView[] {
  const kinds = { checkout: "checkout", image: "image", package: "package" } as const;
  let at = startedAt;
  return parts.map(([name, seconds, more]) => {
    const kind = kinds[name as keyof typeof kinds] ?? "test";
    const begun = at;
    at += seconds * SECOND;
    return aStep({ name, kind, state: "passed", startedAt: begun, endedAt: at, ...more });
  });
}

const WAITING = { state: "queued", startedAt: null, endedAt: null } as const;
const NOT_RUN = { state: "skipped", startedAt: null, endedAt: null } as const;

function queued(now: number): BuildView {
  const createdAt = now - 8 * SECOND;
  return aBuild({
    id: "bld-queued",
    number: 48,
    createdAt,
    message: "docs: say how to install",
    ref: "refs/tags/v1.4.0",
    jobs: [aJob({ id: "job-q", queuedAt: createdAt, target: null, worker: null })],
  });
}

function running(now: number): BuildView {
  const createdAt = now - 49 * SECOND;
  const startedAt = createdAt + 2 * SECOND;
  return aBuild({
    id: "bld-running",
    number: 47,
    createdAt,
    startedAt,
    state: "running",
    message:
      "feat: greet in the language of the reader\n\nAccept-Language decides; English is the fallback.",
    authorName: "Grace",
    jobs: [
      aJob({
        id: "job-r",
        state: "running",
        queuedAt: createdAt,
        startedAt,
        steps: stepsFrom(startedAt, [
          ["checkout", 0.4],
          ["image", 9, { note: "layers 3 of 4 from cache" }],
          ["lint", 3],
          ["unit", 30, { state: "running", endedAt: null }],
          ["integration", 0, WAITING],
          ["package", 0, WAITING],
        ]),
      }),
    ],
  });
}

const FAILED_TEST: FailureCard = {
  kind: "code",
  code: "STEP_FAILED",
  step: "unit",
  title: "not ok 41 - greets an empty name",
  excerpt:
    '  not ok 41 - greets an empty name\n    ---\n    expected: "Hello, stranger"\n    actual:   "Hello, "\n    at: test/greet.test.ts:41:18\n    ...',
  file: "test/greet.test.ts",
  line: 41,
  logLine: 212,
  hint: null,
  confidence: "medium",
  evidence: "log",
  newSince: 44,
  also: [{ title: "unit > greets a blank name", logLine: 240 }],
  problems: null,
};

function failed(now: number): BuildView {
  const createdAt = now - 6 * MINUTE;
  const startedAt = createdAt + 3 * SECOND;
  return aBuild({
    id: "bld-failed",
    number: 46,
    createdAt,
    startedAt,
    endedAt: startedAt + 71 * SECOND,
    state: "failed",
    failure: FAILED_TEST,
    jobs: [
      aJob({
        id: "job-f",
        state: "failed",
        queuedAt: createdAt,
        startedAt,
        endedAt: startedAt + 71 * SECOND,
        steps: stepsFrom(startedAt, [
          ["checkout", 0.3],
          ["image", 38, { note: "layers 2 of 4 from cache" }],
          ["lint", 11],
          [
            "unit",
            22,
            {
              state: "failed",
              failure: {
                code: "STEP_FAILED",
                message: "The command ended with exit status 1.",
                hint: null,
                file: null,
                line: null,
                exitCode: 1,
              },
            },
          ],
          ["package", 0, NOT_RUN],
        ]),
      }),
    ],
  });
}

function passed(now: number): BuildView {
  const createdAt = now - 31 * MINUTE;
  const startedAt = createdAt + 1.4 * SECOND;
  const publishedAt = startedAt + 29.4 * SECOND;
  return aBuild({
    id: "bld-passed",
    number: 45,
    createdAt,
    startedAt,
    endedAt: publishedAt,
    state: "passed",
    message: "bump base image",
    authorName: "release bot",
    jobs: [
      aJob({
        id: "job-p",
        state: "passed",
        queuedAt: createdAt,
        startedAt,
        endedAt: startedAt + 29 * SECOND,
        steps: stepsFrom(startedAt, [
          ["checkout", 0.2],
          ["image", 9, { note: "layers 4 of 4 from cache" }],
          ["lint", 4],
          ["unit", 12],
          ["package", 3.4, { note: "2 packages" }],
        ]),
      }),
    ],
    publish: {
      state: "live",
      channels: ["dev"],
      generations: [{ channel: "dev", number: 412 }],
      startedAt: startedAt + 29.3 * SECOND,
      endedAt: publishedAt,
      durationMs: 80,
      keyFingerprint: FINGERPRINT,
      warnings: [
        "hello requires libgreet, which dev does not list: the distribution must have it.",
      ],
    },
    packages: [
      aPackage({ publishedAt }),
      aPackage({
        publishedAt,
        arch: "src",
        sizeBytes: 9_210,
        listings: [{ channel: "dev", target: "debian12.x86_64-source" }],
      }),
    ],
  });
}

function errored(now: number): BuildView {
  const createdAt = now - 3 * 60 * MINUTE;
  const startedAt = createdAt + SECOND;
  return aBuild({
    id: "bld-errored",
    number: 44,
    createdAt,
    startedAt,
    endedAt: startedAt + 312 * SECOND,
    state: "errored",
    message: "test: cover the parser",
    failure: {
      kind: "network",
      code: "IMAGE_UNAVAILABLE",
      step: "image",
      title: "registry.example.com did not answer for node:24",
      excerpt:
        "GET https://registry.example.com/v2/node/manifests/24: dial tcp 203.0.113.7:443: i/o timeout",
      file: null,
      line: null,
      logLine: null,
      hint: "Run the build again once the registry answers. Three attempts were made, the last one 2 minutes ago.",
      confidence: "high",
      evidence: "fault",
      problems: null,
    },
    jobs: [
      aJob({
        id: "job-e",
        state: "errored",
        attempt: 3,
        lostAttempts: [
          {
            attempt: 1,
            isHandedBack: true,
            reason: "its worker was stopped",
            worker: "worker-1",
            endedAt: startedAt + 20 * SECOND,
            steps: ["checkout", "image"],
          },
          {
            attempt: 2,
            isHandedBack: false,
            reason: "worker worker-2 did not come back",
            worker: "worker-2",
            endedAt: startedAt + 60 * SECOND,
            steps: [],
          },
        ],
        reason: "IMAGE_UNAVAILABLE after 3 attempts",
        queuedAt: createdAt,
        startedAt,
        endedAt: startedAt + 312 * SECOND,
        steps: stepsFrom(startedAt + 280 * SECOND, [
          ["checkout", 0.2],
          ["image", 30, { state: "errored" }],
          ["unit", 0, NOT_RUN],
          ["package", 0, NOT_RUN],
        ]),
      }),
    ],
  });
}

function cancelled(now: number): BuildView {
  const createdAt = now - 5 * 60 * MINUTE;
  const startedAt = createdAt + SECOND;
  return aBuild({
    id: "bld-cancelled",
    number: 43,
    createdAt,
    startedAt,
    endedAt: startedAt + 14 * SECOND,
    cancelRequestedAt: startedAt + 12 * SECOND,
    state: "cancelled",
    reason: "cancelled by admin",
    event: "rerun",
    rerunOf: "bld-errored",
    message: "test: cover the parser",
    jobs: [
      aJob({
        id: "job-c",
        state: "cancelled",
        queuedAt: createdAt,
        startedAt,
        endedAt: startedAt + 14 * SECOND,
        steps: stepsFrom(startedAt, [
          ["checkout", 0.2],
          ["image", 13, { state: "cancelled" }],
        ]),
      }),
    ],
  });
}

function skipped(now: number): BuildView {
  return aBuild({
    id: "bld-skipped",
    number: 42,
    createdAt: now - 26 * 60 * MINUTE,
    endedAt: now - 26 * 60 * MINUTE,
    state: "skipped",
    reason: "skip marker in the commit message",
    message: "docs: typo [skip ci]",
    jobs: [],
  });
}

function unpublished(now: number): BuildView {
  const createdAt = now - 28 * 60 * MINUTE;
  const steps = stepsFrom(createdAt + SECOND, [
    ["checkout", 0.2],
    ["image", 2],
    ["unit", 6],
    ["package", 4],
  ]);
  const job = {
    state: "passed",
    queuedAt: createdAt,
    startedAt: createdAt + SECOND,
    endedAt: createdAt + 13 * SECOND,
  } as const;
  return aBuild({
    id: "bld-unpublished",
    repo: "acme/website",
    number: 12,
    createdAt,
    startedAt: createdAt + SECOND,
    endedAt: createdAt + 14 * SECOND,
    state: "passed",
    ref: "refs/heads/topic/long-branch-name-that-goes-on",
    message:
      "feat: a page for every package, with a subject line that is far longer than anybody should ever write",
    note: "No .tatara.yml; guessed: image ./Dockerfile, package website.spec.",
    guess: "image: ./Dockerfile\npackage: website.spec\n# publish: dev\n",
    jobs: [
      aJob({ id: "job-u1", target: "el9.x86_64", ...job, steps }),
      aJob({ id: "job-u2", target: "fedora-43.x86_64", ...job, steps }),
    ],
    artifacts: [
      {
        jobId: "job-u1",
        fileName: "website-2.0-1.el9.noarch.rpm",
        sizeBytes: 1_204_882,
        sha256: "a".repeat(64),
        target: "el9.x86_64",
      },
      {
        jobId: "job-u2",
        fileName: "website-2.0-1.fc43.noarch.rpm",
        sizeBytes: 1_204_902,
        sha256: "b".repeat(64),
        target: "fedora-43.x86_64",
      },
    ],
  });
}

function history(now: number): readonly BuildView[] {
  return Array.from({ length: 24 }, (_, index) => {
    const number = 41 - index;
    const createdAt = now - (30 + index * 5) * 60 * MINUTE;
    const state = index % 7 === 3 ? "failed" : "passed";
    const seconds = 24 + ((index * 37) % 19);
    return aBuild({
      id: `bld-h${number}`,
      number,
      createdAt,
      startedAt: createdAt + SECOND,
      endedAt: createdAt + (1 + seconds) * SECOND,
      state,
      message:
        ["chore: update dependencies", "fix: a race in the greeter", "refactor: split the parser"][
          index % 3
        ] ?? "",
      failure: state === "failed" ? FAILED_TEST : null,
    });
  });
}
