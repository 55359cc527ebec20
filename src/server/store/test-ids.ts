import { createHash } from "node:crypto";
import type { TestResult } from "../../shared/build-messages.ts";
import type { BuildRow } from "./schema.ts";
import type { TestReportRow } from "./test-tables.ts";

/** What makes a test the same one in every build. The step's id has the values of its matrix. */
export function testIdOf(
  { repo, project, step }: Pick<TestReportRow, "repo" | "project" | "step">,
  { suite, className, name }: Pick<TestResult, "suite" | "className" | "name">,
): string {
  const text = JSON.stringify([repo, project, step, suite, className, name]);
  return createHash("sha256").update(text).digest("base64url").slice(0, 16);
}

/** Runs are compared within a branch; a pull request is one, and all tags together are. */
export function branchOfBuild({ ref }: Pick<BuildRow, "ref">): string {
  return ref.startsWith("refs/tags/") ? "refs/tags" : ref;
}

/** By code. 2 is a pass at a second try: an index finds it together with what failed. */
const STATES = ["skipped", "passed", "passed", "errored", "failed"] as const;

export const RETRIED_CODE = 2;

export function stateCode(state: TestResult["state"]): number {
  return STATES.indexOf(state);
}

export function stateOfCode(code: number): TestResult["state"] {
  return STATES[code] ?? "errored";
}

/** Errored and failed. */
export const FAILED_CODE_MIN = stateCode("errored");
