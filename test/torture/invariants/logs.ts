import type { Tatara } from "../../support/start-tatara.ts";
import type { Records } from "../records.ts";
import { LOG_LINES } from "../sample-push.ts";
import { nameOf } from "./pushes.ts";
import type { Violation } from "./violation.ts";

const WHOLE = Array.from({ length: LOG_LINES }, (_none, index) => `line ${index + 1}`).join("\n");

/** Logs of builds whose test ran to its end: each numbered line once, in order. */
export async function checkLogs(records: Records, tatara: Tatara): Promise<readonly Violation[]> {
  const ended = new Set(["passed", "failed"]);
  const builds = records.all("builds").filter(({ state }) => ended.has(state));
  const violations: Violation[] = [];
  for (const build of builds) {
    const log = await tatara.log(build.id, "test");
    const lines = log.split("\n").filter((line) => line.startsWith("line "));
    if (lines.join("\n") === WHOLE) continue;
    const what = `the log of ${nameOf(build)} has ${lines.length} of ${LOG_LINES} lines`;
    violations.push({ figure: "broken", what: `${what}, or not in order` });
  }
  return violations;
}
