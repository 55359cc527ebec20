import type { Tatara } from "../../support/start-tatara.ts";
import type { Records } from "../records.ts";
import { LOG_LINES, shapeOf } from "../sample-push.ts";
import { nameOf } from "./pushes.ts";
import type { Violation } from "./violation.ts";

const WHOLE = Array.from({ length: LOG_LINES }, (_none, index) => `line ${index + 1}`).join("\n");

/** Logs of builds whose tests ran to their end: each numbered line once, in order. */
export async function checkLogs(records: Records, tatara: Tatara): Promise<readonly Violation[]> {
  const ended = new Set(["passed", "failed"]);
  const builds = records.all("builds").filter(({ state }) => ended.has(state));
  const violations: Violation[] = [];
  for (const build of builds) {
    const jobs = records.all("jobs").filter(({ buildId }) => buildId === build.id);
    const tests = records
      .all("steps")
      .filter(({ kind, state }) => kind === "test" && ended.has(state))
      .filter((step) => jobs.some((job) => job.id === step.jobId && job.attempt === step.attempt));
    const wanted = shapeOf(build.repo).tests;
    if (build.state === "passed" && tests.length !== wanted) {
      violations.push(broken(`${nameOf(build)} ran ${tests.length} of ${wanted} tests`));
    }
    for (const { name } of tests) {
      const log = await tatara.log(build.id, name);
      const lines = log.split("\n").filter((line) => line.startsWith("line "));
      if (lines.join("\n") === WHOLE) continue;
      const what = `the log of ${nameOf(build)} ${name} has ${lines.length} of ${LOG_LINES} lines`;
      violations.push(broken(`${what}, or not in order`));
    }
  }
  return violations;
}

function broken(what: string): Violation {
  return { figure: "broken", what };
}
