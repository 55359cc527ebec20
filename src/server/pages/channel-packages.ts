import type { ChannelView, PackageView } from "../views.ts";
import { bytes, count, timeAgo } from "./format.ts";
import { html, said, type Html } from "./html.ts";
import type { PageContext } from "./page.ts";
import { buildPath, channelPath, evrText, namePages, nameSearch, packagePath } from "./parts.ts";

/** Some names of a target, as looked for. */
export interface PackagesPage {
  /** By name, the newest first within one. */
  readonly versions: readonly PackageView[];
  /** What was looked for; empty for all. */
  readonly wanted: string;
  readonly isFirst: boolean;
  /** The last name of this page, when more follow. */
  readonly nextAfter: string | undefined;
}

/** What a target lists, a page of names at a time. */
export function packagesSection(
  channel: ChannelView,
  target: string | undefined,
  page: PackagesPage,
  { now }: PageContext,
): Html {
  const path = channelPath(channel.name);
  const names = byName(page.versions);
  const listed = channel.targets.find(({ name }) => name === target)?.packages ?? 0;
  const kept = target === undefined || channel.targets.length < 2 ? {} : { target };
  const query = page.wanted === "" ? kept : { ...kept, q: page.wanted };
  return html`<section aria-labelledby="packages-title">
    <div class="list-head">
      <h2 id="packages-title">
        Packages
        <span class="faint"
          >${count(listed)}${target === undefined ? null : html` for ${said(target)}`}</span
        >
      </h2>
      ${nameSearch(path, page.wanted, kept)}
    </div>
    ${names.length === 0 ? nothing(page.wanted) : table(names, now)}
    ${namePages(path, { ...page, query })}
  </section>`;
}

function nothing(wanted: string): Html {
  return wanted === ""
    ? html`<p class="empty">No package for this target.</p>`
    : html`<p class="empty">No package's name contains “${said(wanted)}” here.</p>`;
}

/** Versions of each name, the newest first, as the store lists them. */
function byName(packages: readonly PackageView[]): readonly (readonly PackageView[])[] {
  return [...Map.groupBy(packages, ({ name, arch }) => `${name}.${arch}`).values()];
}

function table(names: readonly (readonly PackageView[])[], now: number): Html {
  return html`<table class="data">
    <thead>
      <tr>
        <th scope="col">Package</th>
        <th scope="col">Version</th>
        <th scope="col" class="right wide-only">Size</th>
        <th scope="col">Built by</th>
        <th scope="col" class="wide-only">Published</th>
      </tr>
    </thead>
    <tbody>
      ${names.map((versions) => row(versions, now))}
    </tbody>
  </table>`;
}

function row([newest, ...older]: readonly PackageView[], now: number): Html {
  if (newest === undefined) return html``;
  return html`<tr data-row>
    <td>
      <a href="${packagePath(newest.name)}" data-open><b>${said(newest.name)}</b></a
      ><span class="faint">.${newest.arch}</span>
      <span class="faint block">${said(newest.summary)}</span>
    </td>
    <td class="nevra">${versionLink(newest)} ${olderVersions(older)}</td>
    <td class="right num wide-only">${bytes(newest.sizeBytes)}</td>
    <td>${builtBy(newest)}</td>
    <td class="wide-only">${timeAgo(newest.publishedAt, now)}</td>
  </tr>`;
}

function versionLink(one: PackageView): Html {
  return html`<a href="${packagePath(one.name, one.nevra)}">${said(evrText(one))}</a>`;
}

const OLDER_MAX = 20;

function olderVersions(older: readonly PackageView[]): Html {
  if (older.length === 0) return html``;
  return html`<details class="fold">
    <summary>${older.length} older</summary>
    ${older.slice(0, OLDER_MAX).map((one) => html`<span class="block">${versionLink(one)}</span>`)}
  </details>`;
}

/** The build that made a package; imported ones have none. */
export function builtBy({ repo, buildNumber }: PackageView): Html {
  if (buildNumber === null) return html`<span class="faint">imported</span>`;
  return html`<a href="${buildPath({ repo, number: buildNumber })}"
    >${said(repo)} #${buildNumber}</a
  >`;
}
