import { saysNobody } from "../../domain/missing-workers.ts";
import { refusedText } from "../stuck.ts";
import type { BuildView } from "../views.ts";
import { isCancelling } from "./build-head.ts";
import { failureCard } from "./failure-card.ts";
import { html, said, type Html } from "./html.ts";
import type { PageContext } from "./page.ts";
import { guessedFile, isRefusedFile, pipelinePanel } from "./pipeline-panel.ts";
import { publishedCard } from "./published-card.ts";
import { findStep, stepPath } from "./step-path.ts";

/** What stands first: the failure, the packages, or the reason. */
export function verdict(build: BuildView, context: PageContext): Html {
  const told = build.note === null ? null : html`<p class="note-line">${said(build.note)}</p>`;
  const note = html`${told}${refusedLine(build)}${guessedFile(build)}${pipelinePanel(build)}`;
  if (build.failure !== null) return html`${failureOf(build)}${note}`;
  if (build.publish?.state === "live") return html`${publishedCard(build, context)}${note}`;
  return html`${reasonLine(build, context)}${note}`;
}

/** Else nobody would ever know why the commit shows nothing. */
function refusedLine({ refusedStatus = null }: BuildView): Html {
  if (refusedStatus === null) return html``;
  return html`<p class="notice">${said(refusedText(refusedStatus))}</p>`;
}

function failureOf(build: BuildView): Html {
  const { failure } = build;
  if (failure === null) return html``;
  const skipped = build.jobs.flatMap(({ steps }) =>
    steps.filter(({ state }) => state === "skipped"),
  );
  const chosen =
    failure.step === null ? undefined : findStep(build, failure.step, blamedJob(build));
  // The marked lines below say the same, and where.
  const card = isRefusedFile(build) ? { ...failure, problems: null } : failure;
  return failureCard(card, {
    repo: build.repo,
    logHref: chosen === undefined ? null : stepPath(build, chosen.job, chosen.step),
    consequences: [...new Set(skipped.map(({ name }) => name))],
  });
}

function blamedJob(build: BuildView): string | undefined {
  return build.jobs.find(({ state }) => state === "failed" || state === "errored")?.id;
}

function reasonLine(build: BuildView, { counts }: PageContext): Html {
  if (isCancelling(build)) {
    return html`<p class="reason">Stopping: each step gets a signal, and 10 seconds to end.</p>`;
  }
  const [stuck] = counts?.troubles ?? [];
  if (build.state === "queued" && counts?.liveWorkers === 0 && stuck !== undefined) {
    return html`<p class="reason">
      Worker ${said(stuck.worker)} takes no jobs. ${said(stuck.trouble)} The build starts when that
      is over; nothing is lost.
    </p>`;
  }
  const isNobodyThere = build.waiting == null || saysNobody(build.waiting.reason);
  if (build.state === "queued" && counts?.liveWorkers === 0 && isNobodyThere) {
    return html`<p class="reason">
      No build worker is connected. The build starts when one is; nothing is lost.
    </p>`;
  }
  if (build.reason !== null) return html`<p class="reason">${said(build.reason)}</p>`;
  if (build.state !== "queued") return html``;
  return html`<p class="reason">Waiting for a free slot on a build worker.</p>`;
}
