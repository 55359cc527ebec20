import { fuzzHttp } from "../support/http-fuzz/fuzz-http.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";

/**
 * B7: `count` hostile calls to API, pages and lease API of a real server, by callers of every kind.
 * Each must be answered, within its time, and never by a fault of ours.
 */
export async function runHttpFuzzSuite({ seed, count, tell }: SuiteOptions): Promise<Outcome> {
  const { calls, statuses, found } = await fuzzHttp({ seed, count, tell });
  const heard = Object.entries(statuses).map(([status, times]) => `${times} × ${status}`);
  tell(`${calls} calls: ${heard.join(", ")}`);
  return {
    accepted: calls,
    violations: found.map((what) => ({ figure: "broken" as const, what })),
  };
}
