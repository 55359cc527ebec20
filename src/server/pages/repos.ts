import type { RepoView } from "../views.ts";
import { plural, timeAgo } from "./format.ts";
import { html, said, type Html } from "./html.ts";
import type { Page, PageContext } from "./page.ts";
import { forgeWord, pushLines, repoPath } from "./parts.ts";

export interface ReposData {
  readonly repos: readonly RepoView[];
  /** What was looked for; empty for all. */
  readonly wanted: string;
}

/** All repos, or those whose name contains what was looked for. */
export function reposPage({ repos, wanted }: ReposData, context: PageContext): Page {
  return {
    title: wanted === "" ? "Repos" : `Repos like ${wanted}`,
    icon: "none",
    trail: [{ text: "Repos" }],
    main: html`<div class="section-head">
        <h1>Repos</h1>
        ${wanted === "" ? null : html`<p class="faint">${plural(repos.length, "name")} with “${said(wanted)}” in it. <a href="/repos">Show all</a></p>`}
      </div>
      ${repos.length === 0 ? empty(wanted, context) : list(repos, context.now)}`,
  };
}

function list(repos: readonly RepoView[], now: number): Html {
  return html`<table class="data">
    <thead>
      <tr>
        <th scope="col">Repo</th>
        <th scope="col">Default branch</th>
        <th scope="col">From</th>
        <th scope="col">First push</th>
      </tr>
    </thead>
    <tbody>
      ${repos.map(
        (repo) =>
          html`<tr data-row>
            <td><a href="${repoPath(repo.name)}" data-open>${said(repo.name)}</a></td>
            <td>${repo.defaultBranch === null ? null : said(repo.defaultBranch)}</td>
            <td>${forgeWord(repo.forge)}</td>
            <td>${timeAgo(repo.createdAt, now)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function empty(wanted: string, { publicUrl }: PageContext): Html {
  if (wanted !== "") return html`<p class="empty">No repo's name contains “${said(wanted)}”.</p>`;
  return html`<div class="empty">
    <p>No repo yet. The first push makes one:</p>
    ${pushLines(publicUrl)}
  </div>`;
}
