import type { BuildView } from "../views.ts";
import type { TestsSummary } from "../test-views.ts";
import { count, plural } from "./format.ts";
import { html, type Html } from "./html.ts";
import { buildPath } from "./parts.ts";

/** `2 of 124 failed` behind a step, a link to the tests; nothing where it had none. */
export function testBadge(
  build: Pick<BuildView, "repo" | "number"> & { readonly tests: TestsSummary | null },
  { jobId, step }: { readonly jobId: string; readonly step: string },
): Html {
  const found = build.tests?.steps.find((one) => one.jobId === jobId && one.step === step);
  if (found === undefined) return html``;
  const failed = found.failed + found.errored;
  const total = failed + found.passed + found.skipped;
  if (total === 0) return html``;
  const text = failed === 0 ? plural(total, "test") : `${count(failed)} of ${count(total)} failed`;
  return html`<a
    class="tests-badge${failed === 0 ? "" : " s-failed"}"
    href="${buildPath(build)}/tests"
    >${text}</a
  >`;
}
