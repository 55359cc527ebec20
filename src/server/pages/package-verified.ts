import type { BuildView, PackageView } from "../views.ts";
import { html, said, type Html } from "./html.ts";
import { stepPath } from "./step-path.ts";

/** What the line is made of, all of the build that made the package. */
export type VerifiedBy = Pick<BuildView, "repo" | "number" | "jobs" | "artifacts">;

/**
 * `verified in clean el9.x86_64`, a link to what dnf said. A verify job installs every binary
 * package that its build made for its target, whichever job made it.
 */
export function verifiedFact(
  build: VerifiedBy,
  chosen: Pick<PackageView, "arch" | "fileName">,
): Html {
  // Nobody installs a source package.
  if (chosen.arch === "src") return html``;
  const targets = new Set(
    build.artifacts
      .filter(({ fileName }) => fileName === chosen.fileName)
      .map(({ target }) => target),
  );
  const passed = build.jobs.filter(
    ({ kind, state, target }) =>
      kind === "verify" && state === "passed" && target !== null && targets.has(target),
  );
  const byTarget = [...Map.groupBy(passed, ({ target }) => target ?? "")];
  if (byTarget.length === 0) return html`<span>not verified</span>`;
  const links = byTarget.map(([target, [job]], index) => {
    const step = job?.steps[0];
    const name =
      job === undefined || step === undefined
        ? said(target)
        : html`<a href="${stepPath(build, job, step)}">${said(target)}</a>`;
    return html`${index === 0 ? null : ", "}${name}`;
  });
  return html`<span class="signed">verified in clean ${links}</span>`;
}
