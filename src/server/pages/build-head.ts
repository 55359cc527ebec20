import { isFinal } from "../../domain/states.ts";
import { duration } from "../assets/times.ts";
import type { BuildView } from "../views.ts";
import { comparedLine } from "./comparison.ts";
import { elapsed, exact, timeAgo } from "./format.ts";
import { html, said, saidBlock, type Html } from "./html.ts";
import { STATE_MARKS, stateWord } from "./icons.ts";
import type { PageContext } from "./page.ts";
import { buildPath, refChip, shaChip, subjectOf, who } from "./parts.ts";

/** The build that this one repeats. */
export type OriginalBuild = { readonly number: number; readonly repo: string } | undefined;

/** `✗ #123 hello: failed` */
export function titleOf(build: BuildView): string {
  const name = build.repo.split("/")[1] ?? build.repo;
  return `${STATE_MARKS[build.state]} #${build.number} ${name}: ${stateText(build)}`;
}

function stateText(build: BuildView): string {
  return isCancelling(build) ? "cancelling" : build.state;
}

export function isCancelling(build: BuildView): boolean {
  return build.cancelRequestedAt !== null && !isFinal(build.state);
}

export function buildHead(
  build: BuildView,
  original: OriginalBuild,
  { now, visitor }: PageContext,
): Html {
  const [, ...rest] = build.message.split("\n");
  const body = rest.join("\n").trim();
  return html`<header class="build-head">
    <div class="headline">
      ${stateWord(build.state, stateText(build))}
      <h1>${subjectOf(build.message)}</h1>
    </div>
    <p class="facts">
      <span class="id">#${build.number}</span>
      ${refChip(build.ref)}${shaChip(build.sha)}${who(build)}
      <span>${timeAgo(build.createdAt, now)}</span>
      ${timing(build, now)} ${causeOf(build)}
      ${original === undefined ? null : html`<span>rerun of <a href="${buildPath(original)}">#${original.number}</a></span>`}
    </p>
    ${
      body === ""
        ? null
        : html`<details class="message">
            <summary>Whole message</summary>
            <pre>${saidBlock(body)}</pre>
          </details>`
    }
    ${visitor === "admin" ? actions(build) : null}
  </header>`;
}

/** What asked for the build, where it was no plain push. */
function causeOf({ event, pullRequest, params, supersededBy, repo, ...rest }: BuildView): Html {
  const given = Object.entries(params).map(([name, value]) => `${name}=${value}`);
  return html`${pullRequest === null ? null : html`<span>pull request ${pullRequest.number} to ${said(pullRequest.baseBranch)}${pullRequest.isFork ? ", from a fork" : ""}</span>`}
  ${event === "schedule" ? html`<span>by schedule</span>` : null}
  ${event === "manual" ? html`<span>started by hand</span>` : null}
  ${event === "try" ? html`<span>tried from a working tree</span>` : null}
  ${given.length === 0 ? null : html`<span>with ${said(given.join(" "))}</span>`}
  ${supersededBy === null ? null : html`<span>superseded by <a href="${buildPath({ repo, number: supersededBy.number })}">#${supersededBy.number}</a></span>`}
  ${rest.compareWith === null ? null : html`<span>${comparedLine(rest.compareWith, { id: rest.id, repo })}</span>`}`;
}

function timing(build: BuildView, now: number): Html {
  const { startedAt, endedAt, createdAt } = build;
  if (startedAt === null) return html``;
  const waitedMs = startedAt - createdAt;
  const waited = waitedMs < 1_000 ? null : html`<span>waited ${duration(waitedMs)}</span>`;
  const end = isFinal(build.state) ? (endedAt ?? startedAt) : null;
  return html`${waited}<span title="${exact(startedAt)}"
      >${end === null ? "for" : "took"} ${elapsed(startedAt, end, now)}</span
    >`;
}

function actions(build: BuildView): Html {
  const act = (what: string, label: string, isOff = false): Html =>
    html`<form method="post" action="/builds/${encodeURIComponent(build.id)}/${what}">
      <button class="button" ${isOff ? html`disabled` : null}>${label}</button>
    </form>`;
  if (!isFinal(build.state)) {
    const isOff = isCancelling(build);
    const isHeld = build.waitReason !== null;
    return html`<div class="acts">
      ${isHeld ? act("approve", "Approve this commit") : null}
      ${build.state === "queued" && !isHeld ? act("bump", "Go first") : null}
      ${act("cancel", isOff ? "Cancelling" : "Cancel", isOff)}
    </div>`;
  }
  // The commit of a try goes with its end.
  const isGone = build.sha === null || build.event === "try";
  return isGone ? html`` : html`<div class="acts">${act("rerun", "Rerun")}</div>`;
}
