import { isBuildChannel } from "../../domain/channel.ts";
import { saysNobody } from "../../domain/missing-workers.ts";
import { shortRef } from "../../domain/push.ts";
import { isFinal } from "../../domain/states.ts";
import type { RowsAnswer } from "../log-lines.ts";
import type { BuildView, PackageView, PublishView } from "../views.ts";
import { refusedText } from "../stuck.ts";
import { removedLog } from "../removed-logs.ts";
import { nextChannel } from "./channels.ts";
import { failureCard } from "./failure-card.ts";
import { bytes, elapsed, exact, timeAgo } from "./format.ts";
import { comparedLine } from "./comparison.ts";
import { duration } from "../assets/times.ts";
import { html, said, saidBlock, type Html } from "./html.ts";
import { STATE_MARKS, stateWord } from "./icons.ts";
import { guessedFile, isRefusedFile, pipelinePanel } from "./pipeline-panel.ts";
import { curlLine, keyLine } from "./install.ts";
import { keptSection } from "./kept.ts";
import { logPanel } from "./log-panel.ts";
import type { Page, PageContext } from "./page.ts";
import {
  artifactPath,
  buildPath,
  channelPath,
  commandLine,
  generationPath,
  packagePath,
  refChip,
  repoTrail,
  shaChip,
  sheetPath,
  subjectOf,
  who,
} from "./parts.ts";
import { stepPath, stepToShow, findStep } from "./step-path.ts";
import { allowedFailures, reuseLine } from "./step-details.ts";
import { jobsSection } from "./steps.ts";

export interface BuildData {
  readonly build: BuildView;
  /** The build that this one repeats. */
  readonly original: { readonly number: number; readonly repo: string } | undefined;
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

/** `✗ #123 hello: failed` */
export function titleOf(build: BuildView): string {
  const name = build.repo.split("/")[1] ?? build.repo;
  return `${STATE_MARKS[build.state]} #${build.number} ${name}: ${stateText(build)}`;
}

function stateText(build: BuildView): string {
  return isCancelling(build) ? "cancelling" : build.state;
}

function isCancelling(build: BuildView): boolean {
  return build.cancelRequestedAt !== null && !isFinal(build.state);
}

export function buildHead(
  build: BuildView,
  original: BuildData["original"],
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

/** What stands first: the failure, the packages, or the reason. */
function verdict(build: BuildView, context: PageContext): Html {
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

/** Packages that people install, not what debuggers and rebuilders want. */
function mainPackages(packages: readonly PackageView[]): readonly PackageView[] {
  const main = packages.filter(
    ({ name, arch }) => arch !== "src" && !/-debug(?:info|source)$/.test(name),
  );
  return main.length > 0 ? main : packages;
}

function publishedCard(build: BuildView, { publicUrl, visitor }: PageContext): Html {
  const { publish } = build;
  const main = mainPackages(build.packages);
  const first = main[0];
  if (publish === null || first === undefined) return html``;
  const channel = publish.channels[0] ?? "dev";
  const target = first.listings.find((listing) => listing.channel === channel)?.target;
  const names = main.map(({ name, version, release }) => `${name}-${version}-${release}`);
  return html`<section class="card card-live" id="published" aria-labelledby="published-title">
    <p class="card-label"><span>Published</span></p>
    <h2 id="published-title">
      ${main.length === 1 ? html`<a href="${packagePath(first.name, first.nevra)}">${said(first.nevra)}</a>` : `${main.length} packages`}
      to
      ${publish.channels.map((name, index) => html`${index === 0 ? null : ", "}<a href="${channelPath(name)}">${said(name)}</a>`)}
    </h2>
    <p class="facts">
      ${publish.generations.map((one) => html`<span><a href="${generationPath(one)}">${publish.generations.length > 1 ? html`${said(one.channel)} ` : null}generation ${one.number}</a></span>`)}
      ${publish.durationMs === null ? null : html`<span>in ${duration(publish.durationMs)}</span>`}
      <span class="signed">packages and metadata signed</span>
    </p>
    ${warningsOf(publish)} ${commandLine(`sudo dnf install ${[...new Set(names)].join(" ")}`)}
    <details class="first-time">
      <summary>First time on this host</summary>
      ${commandLine(curlLine({ publicUrl, channel, target }))}
      ${keyLine(publish.keyFingerprint ?? undefined)}
    </details>
    ${visitor === "admin" ? promoteLink(build, channel) : null}
  </section>`;
}

/** Worth telling, though the packages are live. */
function warningsOf({ warnings }: PublishView): Html {
  if (warnings.length === 0) return html``;
  return html`<ul class="notice">
    ${warnings.map((warning) => html`<li>${said(warning)}</li>`)}
  </ul>`;
}

/** On to the next channel of the line, with all that this build made. */
function promoteLink({ repo, number }: BuildView, from: string): Html {
  const to = nextChannel(from);
  if (to === undefined) return html``;
  const href = sheetPath({ kind: "promote", build: `${repo}#${number}`, from, to });
  return html`<p class="sheet-acts"><a class="button" href="${href}">Promote to ${to}</a></p>`;
}

function packagesSection(build: BuildView): Html {
  if (build.packages.length > 0) return publishedTable(build.packages);
  return build.artifacts.length > 0 ? artifactsTable(build) : html``;
}

function publishedTable(packages: readonly PackageView[]): Html {
  return html`<section class="packages" aria-labelledby="packages-title">
    <h2 id="packages-title">Packages</h2>
    <table class="data">
      <thead>
        <tr>
          <th scope="col">Package</th>
          <th scope="col">In</th>
          <th scope="col" class="right">Size</th>
          <th scope="col" class="wide-only">SHA-256</th>
        </tr>
      </thead>
      <tbody>
        ${packages.map(
          (one) =>
            html`<tr>
              <td>
                <a class="nevra" href="${packagePath(one.name, one.nevra)}">${said(one.nevra)}</a>
                <span class="faint block">${said(one.summary)}</span>
              </td>
              <td>
                ${channelsOf(one).map((name) => html`<a href="${channelPath(name)}">${said(name)}</a> `)}
              </td>
              <td class="right num">${bytes(one.sizeBytes)}</td>
              <td class="wide-only">
                <code class="digest" title="${one.signedSha256}"
                  >${one.signedSha256.slice(0, 12)}</code
                >
              </td>
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

/** Where people get it from. The build's own channel was for its verification: only if alone. */
function channelsOf({ listings }: PackageView): readonly string[] {
  const all = [...new Set(listings.map(({ channel }) => channel))];
  const lasting = all.filter((name) => !isBuildChannel(name));
  return lasting.length > 0 ? lasting : all;
}

function artifactsTable(build: BuildView): Html {
  const isRemoved = removedLog(build) !== undefined;
  return html`<section class="packages" aria-labelledby="packages-title">
    <h2 id="packages-title">
      Packages
      <span class="faint"
        >${isRemoved ? "that were never published: removed with the log" : "as they were built: not signed, not published"}</span
      >
    </h2>
    <table class="data">
      <thead>
        <tr>
          <th scope="col">File</th>
          <th scope="col">Target</th>
          <th scope="col" class="right">Size</th>
        </tr>
      </thead>
      <tbody>
        ${build.artifacts.map(
          (one) =>
            html`<tr>
              <td>
                ${isRemoved ? html`<span class="nevra">${said(one.fileName)}</span>` : html`<a href="${artifactPath(build.id, one)}" download class="nevra">${said(one.fileName)}</a>`}
              </td>
              <td>${said(one.target)}</td>
              <td class="right num">${bytes(one.sizeBytes)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}
