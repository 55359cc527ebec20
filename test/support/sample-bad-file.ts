import type { PipelineProblem } from "../../src/domain/pipeline-problem.ts";
import { formatProblems } from "../../src/shared/pipeline-problems.ts";
import type { BuildView } from "../../src/server/views.ts";
import { aBuild, aJob, aStep } from "./memory-read-store.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** A build that its pipeline file ended. */
export function badFile(now: number): BuildView {
  const createdAt = now - 27 * 60 * MINUTE;
  const text = `# Rotates what nobody reads
image: ./Dockerfile

tests: make check
package:
  spec: rotate-logs.spec
  for: [el9, el11] # all that we have
publish: dev
`;
  const problems: readonly PipelineProblem[] = [
    {
      code: "KEY_UNKNOWN",
      line: 4,
      column: 1,
      length: 5,
      message: 'unknown key "tests"',
      hint: 'did you mean "test"?',
      isWarning: false,
    },
    {
      code: "TARGET_UNKNOWN",
      line: 7,
      column: 14,
      length: 4,
      message: 'this server has no target "el11"',
      hint: "targets: el8, el9, el10, fedora-42, fedora-43",
      isWarning: false,
    },
  ];
  return aBuild({
    id: "bld-file",
    repo: "tools/rotate-logs",
    forge: "github",
    number: 3,
    createdAt,
    startedAt: createdAt + SECOND,
    endedAt: createdAt + 1.6 * SECOND,
    state: "failed",
    ref: "refs/heads/trunk",
    message: "ci: add a pipeline file",
    failure: {
      kind: "file",
      code: "PIPELINE_FILE_INVALID",
      step: "checkout",
      title: '.tatara.yml:4:1 unknown key "tests", and 1 more problem',
      excerpt: "",
      file: ".tatara.yml",
      line: 4,
      logLine: null,
      hint: 'did you mean "test"?',
      confidence: "high",
      evidence: "fault",
      problems: formatProblems(text, problems),
    },
    file: { name: ".tatara.yml", text, problems },
    jobs: [
      aJob({
        id: "job-b",
        state: "failed",
        queuedAt: createdAt,
        startedAt: createdAt + SECOND,
        endedAt: createdAt + 1.6 * SECOND,
        steps: [
          aStep({
            name: "checkout",
            state: "failed",
            startedAt: createdAt + SECOND,
            endedAt: createdAt + 1.6 * SECOND,
          }),
        ],
      }),
    ],
  });
}
