import { CHANNELS } from "../../domain/channel.ts";
import type { PackageNameView } from "../views.ts";
import { timeAgo } from "./format.ts";
import { firstPublish } from "./channels.ts";
import { html, said, type Html } from "./html.ts";
import type { Page, PageContext } from "./page.ts";
import { channelPath, namePages, nameSearch, packagePath, repoPath } from "./parts.ts";

export interface PackagesData {
  readonly names: readonly PackageNameView[];
  /** What was looked for; empty for all. */
  readonly wanted: string;
  readonly isFirst: boolean;
  /** The last name of this page, when more follow. */
  readonly nextAfter: string | undefined;
}

/** Every name that was ever published, with its newest version in each channel. */
export function packagesPage(data: PackagesData, { now }: PageContext): Page {
  const { names, wanted } = data;
  return {
    title: wanted === "" ? "Packages" : `Packages like ${wanted}`,
    icon: "none",
    trail: [{ text: "Packages" }],
    main: html`<div class="section-head list-head">
        <h1>Packages</h1>
        ${nameSearch("/packages", wanted)}
      </div>
      ${names.length === 0 ? nothing(data) : table(names, now)}
      ${namePages("/packages", { ...data, query: wanted === "" ? {} : { q: wanted } })}`,
  };
}

function nothing({ wanted, isFirst }: PackagesData): Html {
  if (wanted === "" && isFirst) return firstPublish();
  const what =
    wanted === ""
      ? "No further names."
      : html`No ${isFirst ? "" : "further "}name contains “${said(wanted)}”.`;
  return html`<p class="empty">${what} <a href="/packages">Show all</a></p>`;
}

function table(names: readonly PackageNameView[], now: number): Html {
  return html`<table class="data names">
    <thead>
      <tr>
        <th scope="col">Package</th>
        ${CHANNELS.map((name) => html`<th scope="col"><a href="${channelPath(name)}">${name}</a></th>`)}
        <th scope="col" class="wide-only">Repo</th>
        <th scope="col" class="wide-only">Published</th>
      </tr>
    </thead>
    <tbody>
      ${names.map((one) => row(one, now))}
    </tbody>
  </table>`;
}

function row({ name, summary, repo, newest, publishedAt }: PackageNameView, now: number): Html {
  const others = Object.keys(newest).filter((channel) => !isFirst(channel)).length;
  return html`<tr data-row>
    <td>
      <a href="${packagePath(name)}" data-open><b>${said(name)}</b></a>
      <span class="faint block">${said(summary)}</span>
      ${others === 0 ? null : html`<span class="faint block">and in ${others} more ${others === 1 ? "channel" : "channels"}</span>`}
    </td>
    ${CHANNELS.map((channel) => versionCell(channel, newest[channel]))}
    <td class="wide-only">
      ${repo === "" ? html`<span class="faint">imported</span>` : html`<a href="${repoPath(repo)}">${said(repo)}</a>`}
    </td>
    <td class="wide-only">${timeAgo(publishedAt, now)}</td>
  </tr>`;
}

function isFirst(channel: string): boolean {
  return (CHANNELS as readonly string[]).includes(channel);
}

/** On narrow windows, where there is no head of the table, the cell says which channel it is of. */
function versionCell(channel: string, version: string | undefined): Html {
  if (version === undefined) return html`<td class="wide-only faint">–</td>`;
  return html`<td class="nevra">
    <span class="narrow-only faint">${channel} </span>${said(version)}
  </td>`;
}
