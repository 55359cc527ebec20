import type { ChannelView, PackageView } from "../views.ts";
import { bytes, plural, timeAgo } from "./format.ts";
import { html, said, type Html } from "./html.ts";
import { firstPublish } from "./channels.ts";
import { installSteps, signedLine } from "./install.ts";
import type { Page, PageContext } from "./page.ts";
import { buildPath, channelPath } from "./parts.ts";

export interface ChannelData {
  readonly channel: ChannelView;
  readonly keyFingerprint: string | undefined;
  /** Chosen by the reader; the first one else. */
  readonly target: string | undefined;
}

/** One channel: how to subscribe, what is in it, and how it came to be. */
export function channelPage(
  { channel, keyFingerprint, target }: ChannelData,
  context: PageContext,
): Page {
  return {
    title: `${channel.name} channel`,
    icon: "none",
    trail: [{ text: "Channels", href: "/channels" }, { text: channel.name }],
    main: html`<div class="section-head">
        <h1>${said(channel.name)}</h1>
        <p class="facts">
          ${channel.head === 0 ? html`<span>empty</span>` : html`<span>generation ${channel.head}</span><span>${timeAgo(channel.updatedAt, context.now)}</span>`}
          ${signedLine(keyFingerprint)}
        </p>
      </div>
      ${channel.head === 0 ? firstPublish(channel.name) : filled({ channel, keyFingerprint, target }, context)}`,
  };
}

function filled({ channel, keyFingerprint, target }: ChannelData, context: PageContext): Html {
  const main = channel.targets.filter(isInstalled);
  const chosen = target ?? main[0] ?? channel.targets[0];
  const packages =
    chosen === undefined
      ? channel.packages
      : channel.packages.filter((one) => isIn(one, channel.name, chosen));
  const newest = newestOfEach(packages);
  const first = newest[0]?.[0];
  return html`<section aria-labelledby="install-title">
      <h2 id="install-title">Install</h2>
      ${channel.targets.length < 2 ? null : targetTabs(channel, chosen)}
      ${installSteps(
        {
          publicUrl: context.publicUrl,
          channel: channel.name,
          // The server knows the target where there is one choice only.
          target: main.length === 1 && chosen === main[0] ? undefined : chosen,
          packages: first?.name ?? "PACKAGE",
        },
        keyFingerprint,
      )}
    </section>
    <section aria-labelledby="packages-title">
      <h2 id="packages-title">
        Packages
        <span class="faint"
          >${plural(newest.length, "name")}${chosen === undefined ? null : html` for ${said(chosen)}`}</span
        >
      </h2>
      ${newest.length === 0 ? html`<p class="empty">No package for this target.</p>` : packageTable(newest, context.now)}
    </section>
    ${generations(channel, context.now)}`;
}

function isIn({ listings }: PackageView, channel: string, target: string): boolean {
  return listings.some((listing) => listing.channel === channel && listing.target === target);
}

function targetTabs({ name, targets }: ChannelView, chosen: string | undefined): Html {
  return html`<nav class="filter" aria-label="Target">
    ${targets.map((target) => html`<a href="${channelPath(name)}?target=${encodeURIComponent(target)}" ${target === chosen ? html` aria-current="true"` : null}>${said(target)}</a>`)}
  </nav>`;
}

/** Sources and debug information are subscribed to beside a target, not instead of one. */
function isInstalled(target: string): boolean {
  return !/-(?:source|debug)$/.test(target);
}

/** Versions of each name, the newest first, as the store lists them. */
function newestOfEach(packages: readonly PackageView[]): readonly (readonly PackageView[])[] {
  const byName = new Map<string, PackageView[]>();
  for (const one of packages) {
    const versions = byName.get(`${one.name}.${one.arch}`);
    if (versions === undefined) byName.set(`${one.name}.${one.arch}`, [one]);
    else versions.push(one);
  }
  return [...byName.values()];
}

function packageTable(names: readonly (readonly PackageView[])[], now: number): Html {
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
      ${names.map((versions) => packageRow(versions, now))}
    </tbody>
  </table>`;
}

function packageRow([newest, ...older]: readonly PackageView[], now: number): Html {
  if (newest === undefined) return html``;
  return html`<tr>
    <td>
      <b>${said(newest.name)}</b><span class="faint">.${newest.arch}</span>
      <span class="faint block">${said(newest.summary)}</span>
    </td>
    <td class="nevra">
      ${said(`${newest.version}-${newest.release}`)}
      ${
        older.length === 0
          ? null
          : html`<details class="older-versions">
              <summary>${older.length} older</summary>
              ${older.slice(0, 20).map((one) => html`<span class="block">${said(`${one.version}-${one.release}`)}</span>`)}
            </details>`
      }
    </td>
    <td class="right num wide-only">${bytes(newest.sizeBytes)}</td>
    <td>
      <a href="${buildPath({ repo: newest.repo, number: newest.buildNumber })}"
        >${said(newest.repo)} #${newest.buildNumber}</a
      >
    </td>
    <td class="wide-only">${timeAgo(newest.publishedAt, now)}</td>
  </tr>`;
}

const GENERATIONS_MAX = 20;

function generations({ generations: all }: ChannelView, now: number): Html {
  if (all.length === 0) return html``;
  return html`<details class="generations">
    <summary>Generations</summary>
    <ol>
      ${all.slice(0, GENERATIONS_MAX).map(
        ({ number, buildId, createdAt }) =>
          html`<li>
            <span class="num">${number}</span> ${timeAgo(createdAt, now)}
            <a href="/builds/${encodeURIComponent(buildId)}">its build</a>
          </li>`,
      )}
    </ol>
  </details>`;
}
