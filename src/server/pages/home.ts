import { STATES, type State } from "../../domain/states.ts";
import type { BuildSummary, ReadStore, RepoView } from "../views.ts";
import { stuckWarnings } from "../stuck.ts";
import { plural, timeAgo } from "./format.ts";
import { html, said, type Html } from "./html.ts";
import type { Page, PageContext } from "./page.ts";
import { buildList, channelPath, commandLine, pushLines, repoPath } from "./parts.ts";

export interface HomeData {
  readonly builds: readonly BuildSummary[];
  readonly repos: readonly RepoView[];
  readonly channels: Awaited<ReturnType<ReadStore["listChannels"]>>;
  readonly state: State | undefined;
  readonly isFirstPage: boolean;
  /** True when older builds may follow. */
  readonly hasMore: boolean;
}

const SIDE_MAX = 12;

/** All builds, newest first. */
export function homePage(data: HomeData, context: PageContext): Page {
  const worst = data.isFirstPage ? (data.builds[0]?.state ?? "none") : "none";
  const isFresh = data.builds.length === 0 && data.isFirstPage && data.state === undefined;
  return {
    title: "Builds",
    icon: worst === "running" || worst === "failed" ? worst : "none",
    trail: [],
    main: isFresh ? welcome(context) : listed(data, context),
  };
}

function listed(data: HomeData, context: PageContext): Html {
  return html`<div class="with-side">
    <section aria-labelledby="builds-title">
      <div class="section-head">
        <h1 id="builds-title">Builds</h1>
        ${stateFilter("/", data.state)}
      </div>
      ${notices(context)}${data.builds.length === 0 ? noneSuch(data.state) : buildList(data.builds, { now: context.now, showsRepo: true })}
      ${olderLink("/", data)}
    </section>
    <aside class="side">${sideRepos(data.repos)}${sideChannels(data, context.now)}</aside>
  </div>`;
}

/** The filter is in the address, so that it can be sent to somebody. */
export function stateFilter(base: string, chosen: State | undefined): Html {
  const link = (state: State | undefined): Html => {
    const current = state === chosen ? html` aria-current="true"` : null;
    const href = state === undefined ? base : `${base}?state=${state}`;
    return html`<a href="${href}" ${current}>${state ?? "all"}</a>`;
  };
  return html`<nav class="filter" aria-label="Filter by state">
    ${[undefined, ...STATES].map(link)}
  </nav>`;
}

export function noneSuch(state: State | undefined): Html {
  return html`<p class="empty">
    ${state === undefined ? "No older builds." : `No build is ${state}.`}
    <a href="?">Show all builds</a>
  </p>`;
}

export function olderLink(
  base: string,
  { builds, state, hasMore }: Pick<HomeData, "builds" | "state" | "hasMore">,
): Html {
  const last = builds.at(-1);
  if (!hasMore || last === undefined) return html``;
  const query = new URLSearchParams({ before: String(last.createdAt) });
  if (state !== undefined) query.set("state", state);
  return html`<p class="older"><a href="${base}?${query.toString()}">Older builds</a></p>`;
}

/** What stops pushes, builds or statuses, said where everybody looks first. */
export function notices({ counts, problems, now }: PageContext): Html {
  if (counts === undefined) return html``;
  const refusing = problems.map(
    (problem) => html`<p class="notice"><b>Nothing is accepted now.</b> ${said(problem)}</p>`,
  );
  const { liveWorkers, jobsQueued, oldestQueuedAt, parkedForges, troubles } = counts;
  const idle =
    liveWorkers === 0 && jobsQueued > 0 && troubles.length === 0
      ? html`<p class="notice">
          <b>No build worker is connected.</b> ${plural(jobsQueued, "job")}
          waiting${
            oldestQueuedAt === null
              ? null
              : html`, the oldest since ${timeAgo(oldestQueuedAt, now)}`
          }.
          They start when a worker connects; nothing is lost.
        </p>`
      : null;
  const parked = parkedForges.map(
    ({ forge, reason }) =>
      html`<p class="notice"><b>Commit statuses for ${forge} wait:</b> ${said(reason)}</p>`,
  );
  const stuck = troubles.map(
    ({ worker, trouble }) =>
      html`<p class="notice">
        <b>Worker ${said(worker)} takes no jobs.</b> ${said(trouble)} Its jobs wait; nothing is
        lost.
      </p>`,
  );
  const waits = stuckWarnings(counts, true).map(
    (text) => html`<p class="notice">${said(text)}</p>`,
  );
  return html`${refusing}${idle}${stuck}${parked}${waits}${missedNotice(counts.missed)}`;
}

/** Nothing of it is lost where both numbers are the same. */
function missedNotice(missed: { readonly missed: number; readonly recovered: number } | undefined) {
  if (missed === undefined || missed.missed === 0) return null;
  return html`<p class="notice faint">
    Deliveries of the last 30 days that did not come by themselves: missed ${missed.missed},
    recovered ${missed.recovered}.
  </p>`;
}

function sideRepos(repos: readonly RepoView[]): Html {
  if (repos.length === 0) return html``;
  return html`<section aria-labelledby="side-repos">
    <h2 id="side-repos"><a href="/repos">Repos</a></h2>
    <ul>
      ${repos
        .slice(0, SIDE_MAX)
        .map(({ name }) => html`<li><a href="${repoPath(name)}">${said(name)}</a></li>`)}
    </ul>
    ${repos.length > SIDE_MAX ? html`<p><a href="/repos">all ${repos.length}</a></p>` : null}
  </section>`;
}

function sideChannels({ channels }: HomeData, now: number): Html {
  if (channels.length === 0) return html``;
  return html`<section aria-labelledby="side-channels">
    <h2 id="side-channels"><a href="/channels">Channels</a></h2>
    <ul>
      ${channels.slice(0, SIDE_MAX).map(
        ({ name, head, updatedAt }) =>
          html`<li>
            <a href="${channelPath(name)}">${said(name)}</a>
            <span class="faint">${head === 0 ? "empty" : timeAgo(updatedAt, now)}</span>
          </li>`,
      )}
    </ul>
  </section>`;
}

function welcome(context: PageContext): Html {
  return html`<section class="welcome">
    <h1>Push something</h1>
    ${notices(context)}
    <p>
      Tatara builds what you push: it runs your tests in containers, makes signed RPMs, and serves
      them to <code>dnf</code>. In a git repository of yours:
    </p>
    ${pushLines(context.publicUrl)}
    <p>
      Any <code>owner/name</code> will do; the first push makes the repo. git asks for a password:
      it is the admin token. The push prints the address of its build.
    </p>
    <h2>No repository at hand?</h2>
    <p>This one makes a sample, pushes it, and installs what comes out:</p>
    ${commandLine("npm run demo")}
  </section>`;
}
