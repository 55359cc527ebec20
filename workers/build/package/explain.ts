import type { StepFailure } from "../../../src/domain/step.ts";
import { readRpmProblem } from "../rpm-log.ts";

/** Exit codes of build.sh beside those of rpmbuild. */
const UNUSABLE = 64;
const SPEC_UNREADABLE = 65;
const SOURCE_MISSING = 66;
const LINT = 69;

/** What rpmbuild's log, or the last word of build.sh, says about the exit code. */
export function explainFailure(failure: StepFailure, spec: string, log: string): StepFailure {
  if (failure.code !== "STEP_FAILED") return failure;
  const { exitCode } = failure;
  const ours = log
    .match(/^tatara: (?!warning)(.*)$/gm)
    ?.at(-1)
    ?.slice("tatara: ".length);
  const own = { ...failure, message: ours ?? failure.message, hint: null, file: spec };
  if (exitCode === SOURCE_MISSING) {
    return {
      ...own,
      code: "SPEC_SOURCE_MISSING",
      hint: "Commit the file beside the spec, or say `fetch: true`.",
    };
  }
  if (exitCode === UNUSABLE) return { ...own, code: "RPM_BUILD_FAILED" };
  if (exitCode === LINT) return lintFailure(failure, log);
  const problem = readRpmProblem(log, { path: spec });
  const code = exitCode === SPEC_UNREADABLE ? "SPEC_INVALID" : problem.code;
  // With a file the card shows our message; without one it looks for the user's file in the log.
  const isInLog = /^%\w+ of /.test(problem.message);
  return { ...problem, code, file: isInLog ? null : spec, exitCode };
}

function lintFailure(failure: StepFailure, log: string): StepFailure {
  const errors = log.match(/^\S+: E: .*$/gm) ?? [];
  const message =
    errors.length === 0
      ? "rpmlint is not in the builder image, and `lint: error` asks for it"
      : `${errors.length} ${errors.length === 1 ? "error" : "errors"}, first: ${errors[0]}`;
  const hint =
    errors.length === 0
      ? "Install rpmlint in the builder image, or write `lint: warn`."
      : "Correct what rpmlint names, or write `lint: warn`.";
  return { ...failure, code: "RPM_LINT", message: message.slice(0, 1_000), hint };
}

export function noPackages(spec: string): StepFailure {
  return {
    code: "NO_PACKAGES",
    message: `${spec} made no package.`,
    hint: "Give the spec a %files section.",
    file: spec,
    line: null,
    exitCode: null,
  };
}

const WARNINGS_MAX = 50;

/** What a step that passed should say on its page all the same. */
export function warningsIn(log: string): readonly string[] {
  const lines = [...log.matchAll(/^tatara: warning: (.*)$/gm)].map(([, text = ""]) => text);
  return lines.slice(0, WARNINGS_MAX).map((line) => line.slice(0, 1_000));
}
