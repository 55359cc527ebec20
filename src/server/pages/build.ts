import { shortRef } from "../../domain/push.ts";
import type { RowsAnswer } from "../log-lines.ts";
import type { BuildView } from "../views.ts";
import { buildHead, titleOf, type OriginalBuild } from "./build-head.ts";
import { packagesSection } from "./build-packages.ts";
import { verdict } from "./build-verdict.ts";
import { html } from "./html.ts";
import { keptSection } from "./kept.ts";
import { logPanel } from "./log-panel.ts";
import type { Page, PageContext } from "./page.ts";
import { repoTrail } from "./parts.ts";
import { allowedFailures, reuseLine } from "./step-details.ts";
import { stepToShow } from "./step-path.ts";
import { jobsSection } from "./steps.ts";

export interface BuildData {
  readonly build: BuildView;
  readonly original: OriginalBuild;
  readonly logTail: RowsAnswer | undefined;
}

/** A build: what became of it, why, and what to do next; then its steps and the log. */
export function buildPage({ build, original, logTail }: BuildData, context: PageContext): Page {
  const { now } = context;
  const chosen = stepToShow(build);
  return {
    title: titleOf(build),
    icon: build.state,
    trail: [...repoTrail(build.repo), { text: shortRef(build.ref) }, { text: `#${build.number}` }],
    main: html`<article class="build" data-build="${build.id}">
      ${buildHead(build, original, context)} ${verdict(build, context)} ${allowedFailures(build)}
      ${reuseLine(build)} ${jobsSection(build, now, chosen)} ${packagesSection(build)}
      ${keptSection(build)}
      ${chosen === undefined ? null : logPanel({ build, ...chosen, tail: logTail, now })}
    </article>`,
  };
}
