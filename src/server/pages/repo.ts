import type { State } from "../../domain/states.ts";
import type { BuildSummary, RepoView } from "../views.ts";
import { duration } from "../assets/times.ts";
import { html, said, type Html } from "./html.ts";
import { noneSuch, notices, olderLink, stateFilter } from "./home.ts";
import { stateWord } from "./icons.ts";
import type { Page, PageContext } from "./page.ts";
import { buildList, buildPath, forgeWord, pushLines, repoPath, subjectText } from "./parts.ts";

export interface RepoData {
  readonly repo: RepoView;
  readonly builds: readonly BuildSummary[];
  readonly state: State | undefined;
  readonly hasMore: boolean;
}

/** One repo: how its newest build is, its last builds as bars, and the list of them. */
export function repoPage(data: RepoData, context: PageContext): Page {
  const { repo, builds } = data;
  const newest = data.state === undefined ? newestOfDefaultBranch(data) : undefined;
  return {
    title: repo.name,
    icon: newest?.state ?? "none",
    trail: [{ text: repo.name }],
    main: html`<div class="section-head">
        <h1>${said(repo.name)}</h1>
        ${newest === undefined ? null : stateWord(newest.state)}
        <p class="facts">
          <span>${forgeWord(repo.forge)}</span>
          <span><a href="${repoPath(repo.name)}/tests">tests</a></span>
          ${repo.defaultBranch === null ? null : html`<span>default branch <span class="ref">${said(repo.defaultBranch)}</span></span>`}
        </p>
      </div>
      ${context.visitor === "admin" ? buildForm(repo) : null}
      ${notices(context)}${data.state === undefined ? bars(builds) : null}
      ${stateFilter(repoPath(repo.name), data.state)}
      ${builds.length === 0 ? empty(data, context) : buildList(builds, { now: context.now, showsRepo: false })}
      ${olderLink(repoPath(repo.name), data)}`,
  };
}

/** A build by hand. Without a word it is the newest commit of the default branch. */
function buildForm({ name, defaultBranch }: RepoView): Html {
  return html`<details class="message">
    <summary>Build now</summary>
    <form method="post" action="${repoPath(name)}/build" class="stack">
      <label>
        Branch or tag
        <input name="ref" placeholder="${said(defaultBranch ?? "main")}" autocomplete="off" />
      </label>
      <label>
        Parameters, <code>NAME=value</code> on a line each
        <textarea name="params" rows="3" spellcheck="false"></textarea>
      </label>
      <label>
        <input type="checkbox" name="fresh" value="true" />
        from scratch: no layers, no caches
      </label>
      <button class="button">Build</button>
    </form>
  </details>`;
}

/** What people mean by "is it green": the default branch, if it was built lately. */
function newestOfDefaultBranch({ repo, builds }: RepoData): BuildSummary | undefined {
  const onIt = builds.find(({ ref }) => ref === `refs/heads/${repo.defaultBranch ?? ""}`);
  return onIt ?? builds[0];
}

function empty({ repo, state }: RepoData, { publicUrl }: PageContext): Html {
  if (state !== undefined) return noneSuch(state);
  return html`<div class="empty">
    <p>No build yet.</p>
    ${repo.forge === "own" ? pushLines(publicUrl, repo.name, repo.defaultBranch ?? "main") : html`<p>The next push to its default branch makes one.</p>`}
  </div>`;
}

const BAR_WIDTH = 14;
const BAR_GAP = 4;
const CHART_HEIGHT = 56;
/** A build of no time at all is still there. */
const BAR_MIN = 4;
/** A build that took so many times the median is as tall as the drawing. */
const FULL_MEDIANS = 2.5;

/** The last builds, oldest on the left: height is duration, colour and mark are the state. */
function bars(builds: readonly BuildSummary[]): Html {
  const shown = builds.toReversed();
  if (shown.length < 3) return html``;
  const sorted = shown.map(tookMs).toSorted((a, b) => a - b);
  const longest = sorted.at(-1) ?? 0;
  // One that hung for an hour must not make all others look alike.
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const full = Math.max(1, Math.min(longest, median * FULL_MEDIANS));
  const width = shown.length * (BAR_WIDTH + BAR_GAP) - BAR_GAP;
  return html`<figure class="history">
    <svg
      viewBox="0 0 ${width} ${CHART_HEIGHT}"
      width="${width}"
      height="${CHART_HEIGHT}"
      role="img"
      aria-label="Duration of the last ${shown.length} builds"
    >
      ${shown.map((build, index) => bar(build, index, full))}
    </svg>
    <figcaption class="faint">
      last ${shown.length} builds, the longest ${duration(longest)}
    </figcaption>
  </figure>`;
}

function bar(build: BuildSummary, index: number, full: number): Html {
  const took = tookMs(build);
  const height = Math.max(BAR_MIN, Math.round(Math.min(1, took / full) * (CHART_HEIGHT - 14)));
  const x = index * (BAR_WIDTH + BAR_GAP);
  const y = CHART_HEIGHT - height;
  const isBad = build.state === "failed" || build.state === "errored";
  return html`<a href="${buildPath(build)}" aria-label="#${build.number} ${build.state}">
    <g class="s-${build.state}">
      <title>
        #${build.number} ${build.state}, ${duration(took)}: ${subjectText(build.message)}
      </title>
      <rect x="${x}" y="0" width="${BAR_WIDTH}" height="${CHART_HEIGHT}" fill="transparent" />
      <rect class="bar" x="${x}" y="${y}" width="${BAR_WIDTH}" height="${height}" rx="2" />
      ${isBad ? html`<path class="bad" transform="translate(${x + 3} ${y - 11})" d="M0 0l8 8M8 0l-8 8" />` : null}
    </g>
  </a>`;
}

function tookMs({ startedAt, endedAt }: BuildSummary): number {
  return startedAt === null || endedAt === null ? 0 : endedAt - startedAt;
}
