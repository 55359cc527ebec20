import { tagOf, shortRef } from "../../domain/push.ts";
import { isFinal } from "../../domain/states.ts";
import type { ArtifactView, BuildSummary, RepoView } from "../views.ts";
import { elapsed, timeAgo } from "./format.ts";
import { html, said, type Html } from "./html.ts";
import { stateIcon } from "./icons.ts";

/** Pages of things. Names are valid when they enter, and encoded all the same. */
export function repoPath(repo: string): string {
  return `/repos/${repo.split("/").map(encodeURIComponent).join("/")}`;
}

export function buildPath(build: { readonly repo: string; readonly number: number }): string {
  return `${repoPath(build.repo)}/${build.number}`;
}

/** Download of a file that a build made. */
export function artifactPath(buildId: string, one: ArtifactView): string {
  const query = new URLSearchParams({ target: one.target }).toString();
  const name = encodeURIComponent(one.fileName);
  return `/api/builds/${encodeURIComponent(buildId)}/artifacts/${name}?${query}`;
}

export function channelPath(channel: string): string {
  return `/channels/${encodeURIComponent(channel)}`;
}

/** Where a channel's page tells of one generation. */
export function generationPath({
  channel,
  number,
}: {
  readonly channel: string;
  readonly number: number;
}): string {
  return `${channelPath(channel)}#g${number}`;
}

/** A package's page, of all its versions; with a NEVRA that one in full. */
export function packagePath(name: string, nevra?: string): string {
  const query = nevra === undefined ? "" : `?${new URLSearchParams({ nevra }).toString()}#chosen`;
  return `/packages/${encodeURIComponent(name)}${query}`;
}

/** The sheet that shows what a change would do. */
export function sheetPath(fields: Readonly<Record<string, string>>): string {
  return `/change?${new URLSearchParams(fields).toString()}`;
}

/** What hosts download, from any channel and target that lists the package. */
export function rpmPath(
  place: { readonly channel: string; readonly target: string },
  file: { readonly signedSha256: string; readonly fileName: string },
): string {
  const parts = [place.channel, place.target, "p", file.signedSha256, file.fileName];
  return `/yum/${parts.map(encodeURIComponent).join("/")}`;
}

/** `1:2.0-3`; the epoch only where there is one. */
export function evrText(one: {
  readonly epoch: number;
  readonly version: string;
  readonly release: string;
}): string {
  return `${one.epoch === 0 ? "" : `${one.epoch}:`}${one.version}-${one.release}`;
}

/** Sources and debug information are subscribed to beside a target, not instead of one. */
export function isInstalled(target: string): boolean {
  return !/-(?:source|debug)$/.test(target);
}

/** Looks for a part of a package's name. Fields of the address that must stay are passed along. */
export function nameSearch(
  action: string,
  wanted: string,
  kept: Readonly<Record<string, string>> = {},
): Html {
  return html`<form class="name-search" action="${action}" role="search">
    ${hiddenFields(Object.entries(kept))}
    <input
      type="search"
      name="q"
      value="${wanted}"
      placeholder="Part of a name"
      aria-label="Find a package"
      autocomplete="off"
      spellcheck="false"
      maxlength="200"
    />
    <button class="button">Find</button>
  </form>`;
}

export function hiddenFields(fields: readonly (readonly [string, string])[]): Html {
  return html`${fields.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`)}`;
}

/** Links to the first page and the next one of a list in order of names. */
export function namePages(
  path: string,
  page: {
    readonly query: Readonly<Record<string, string>>;
    readonly isFirst: boolean;
    readonly nextAfter: string | undefined;
  },
): Html {
  const href = (more: Readonly<Record<string, string>>): string => {
    const query = new URLSearchParams({ ...page.query, ...more }).toString();
    return `${path}${query === "" ? "" : `?${query}`}`;
  };
  if (page.isFirst && page.nextAfter === undefined) return html``;
  return html`<nav class="older" aria-label="More names">
    ${page.isFirst ? null : html`<a href="${href({})}">From the first</a>`}
    ${page.nextAfter === undefined ? null : html`<a href="${href({ after: page.nextAfter })}">Next names</a>`}
  </nav>`;
}

/** Subject of a commit, for places that take no markup. */
export function subjectText(message: string): string {
  return message.split("\n", 1)[0]?.trim() ?? "";
}

/** Subject of a commit; the reader is told when there is none. */
export function subjectOf(message: string): Html {
  const subject = message.split("\n", 1)[0]?.trim() ?? "";
  return subject === "" ? html`<i class="faint">no message</i>` : said(subject);
}

export function refChip(ref: string): Html {
  const isTag = tagOf(ref) !== undefined;
  return html`<span class="ref"
    >${isTag ? html`<span class="faint">tag </span>` : null}${said(shortRef(ref))}</span
  >`;
}

export function shaChip(sha: string | null): Html {
  if (sha === null) return html``;
  return html`<code class="sha" title="${sha}">${sha.slice(0, 7)}</code>`;
}

/** Who is behind a build: the author, or who pushed when there is none. */
export function who(build: BuildSummary): Html {
  const name = build.authorName === "" ? build.pusher : build.authorName;
  return name === "" ? html`` : html`<span class="who">${said(name)}</span>`;
}

/** A copy button for text that stands beside it. Only pages with scripts show it. */
export function copyButton(text: string, what: string): Html {
  return html`<button
    type="button"
    class="copy with-script"
    data-copy="${text}"
    aria-label="Copy ${what}"
  >
    Copy
  </button>`;
}

/** A command on a line of its own. */
export function commandLine(command: string): Html {
  return html`<div class="command">
    <code>${said(command)}</code>${copyButton(command, "the command")}
  </div>`;
}

/** What a build row says in its second line: the failure, or why there is none. */
function secondLine(build: BuildSummary): Html {
  const { failure, reason, state } = build;
  if (failure !== null && (state === "failed" || state === "errored")) {
    const step = failure.step === null ? null : html`<b>${said(failure.step)}</b> `;
    return html`<p class="why s-${state}">${step}${said(failure.title)}</p>`;
  }
  return reason === null ? html`` : html`<p class="why">${said(reason)}</p>`;
}

/** Builds as a list, newest first; rows keep their place and change in it. */
export function buildList(
  builds: readonly BuildSummary[],
  options: { readonly now: number; readonly showsRepo: boolean },
): Html {
  return html`<ol class="builds" aria-label="Builds">
    ${builds.map((build) => buildRow(build, options))}
  </ol>`;
}

function buildRow(
  build: BuildSummary,
  { now, showsRepo }: { readonly now: number; readonly showsRepo: boolean },
): Html {
  const { state } = build;
  return html`<li id="b-${build.id}" class="row" data-row data-state="${state}">
    <span class="state s-${state}">${stateIcon(state)}<span class="word">${state}</span></span>
    <div class="what">
      <p class="subject">
        <a class="cover" href="${buildPath(build)}" data-open>${subjectOf(build.message)}</a>
      </p>
      ${secondLine(build)}
      <p class="facts">
        <span class="id">${showsRepo ? html`${said(build.repo)} ` : null}#${build.number}</span>
        ${refChip(build.ref)}${shaChip(build.sha)}${who(build)}
        ${build.event === "rerun" ? html`<span>rerun</span>` : null}
        ${build.event === "try" ? html`<span>try</span>` : null}
      </p>
    </div>
    <p class="when">
      ${tookOf(build, now)}<span class="at">${timeAgo(build.createdAt, now)}</span>
    </p>
  </li>`;
}

function tookOf(build: BuildSummary, now: number): Html {
  const end = isFinal(build.state) ? (build.endedAt ?? build.startedAt) : null;
  return elapsed(build.startedAt, end, now);
}

/** `push to this server` in two lines that work as printed. */
export function pushLines(publicUrl: string, repo = "acme/hello", branch = "main"): Html {
  return html`${commandLine(`git remote add tatara ${publicUrl}/git/${repo}.git`)}
  ${commandLine(`git push tatara ${branch}`)}`;
}

export function repoTrail(repo: string): readonly { text: string; href: string }[] {
  return [{ text: repo, href: repoPath(repo) }];
}

/** Where a repo's pushes come from, in words. */
export function forgeWord(forge: RepoView["forge"]): string {
  return forge === "own" ? "pushed to this server" : "GitHub";
}
