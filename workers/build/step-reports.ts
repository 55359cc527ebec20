import { posix } from "node:path";
import type { PlannedTest } from "../../src/domain/job-spec.ts";
import type { TestResult } from "../../src/shared/build-messages.ts";
import type { BuildJob } from "./job-parts.ts";
import type { StepNotes } from "./job-steps.ts";
import type { StepLog } from "./log/step-log.ts";
import { WORKSPACE } from "./prepare.ts";
import type { TestPlace } from "./prepare.ts";
import { LOOKS } from "./reports/look-memory.ts";
import { readReports } from "./reports/read-reports.ts";
import { sourceTree } from "./reports/source-tree.ts";

/** A test whose command has ended. */
export interface EndedTest {
  readonly test: PlannedTest;
  readonly place: TestPlace;
  readonly log: StepLog;
  readonly notes: StepNotes;
}

/**
 * Reads a test's reports out of its container, whatever its exit status, and tells the server. The
 * tests that failed, for the failure card. Reports never decide: what cannot be read is a warning.
 */
export async function tellReports(
  { job, spec, commit, reports }: BuildJob,
  { test, place, log, notes }: EndedTest,
  { hasPassed, startedAt }: { readonly hasPassed: boolean; readonly startedAt: number },
): Promise<readonly TestResult[]> {
  const { container, openChanges } = place;
  const found = await readReports({
    files: {
      openPath: (path) => container.getArchive(posix.join(WORKSPACE, path), job.signal),
      openChanges,
    },
    patterns: test.reports,
    // The file's reader has put the project's folder in front of them already.
    projectPath: "",
    startedAt,
    hasPassed,
    memory: { looks: LOOKS, step: [job.grant.build.repo, spec.project, test.step].join(" ") },
    tree: sourceTree(commit, test.dir.kind === "path" ? test.dir.path : ""),
    budget: reports,
    send: (message) => job.record.reports(test.step, message),
  });
  for (const warning of found.warnings) log.say(`tatara: ${warning}`);
  notes.add({ warnings: [...found.warnings] });
  return found.failed;
}
