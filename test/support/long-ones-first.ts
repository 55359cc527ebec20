import { BaseSequencer } from "vitest/node";
import type { TestSpecification } from "vitest/node";

/**
 * Files that take minutes, the longest first. The usual order goes by what the last run took, or by a
 * file's size where there was none: a torture form has ten lines, so a fresh machine would begin the
 * longest ones last, and wait for them with idle cores.
 */
const LONG_ONES = [
  "integration/interop-clients",
  "integration/package-files",
  "integration/local-run",
  "integration/pages",
  "integration/docker-services",
  "integration/engine-interop",
  "integration/docker-image",
  "integration/package-requires",
  "integration/cli/supervisor",
  "e2e/examples",
  "e2e/compose",
  "e2e/kill",
  "e2e/bombs",
  "e2e/kill-supervisor",
  "e2e/torture-backup",
  "e2e/real-programs",
  "e2e/adoption",
  "e2e/doctor-deep",
  "e2e/targets",
  "e2e/own-remote",
  "e2e/torture-upgrade",
  "e2e/torture-worker-kill",
  "e2e/torture-docker-kill",
  "e2e/torture-server-kill",
  "e2e/torture-network",
];

/** vitest's own order, with the long ones of each project in front. */
export class LongOnesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted(
      (one, other) => groupOf(one) - groupOf(other) || rank(one) - rank(other),
    );
  }
}

function groupOf({ project }: TestSpecification): number {
  return project.config.sequence.groupOrder;
}

function rank({ moduleId }: TestSpecification): number {
  const at = LONG_ONES.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
  return at < 0 ? LONG_ONES.length : at;
}
