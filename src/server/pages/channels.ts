import { CHANNELS } from "../../domain/channel.ts";
import type { ChannelSummary, ChannelView, PromotionCounts } from "../views.ts";
import { expiryText, settingsFacts } from "./channel-settings.ts";
import { plural, timeAgo } from "./format.ts";
import { causeText, nameOf } from "./generations.ts";
import { html, said, type Html } from "./html.ts";
import { signedLine } from "./install.ts";
import type { Page, PageContext } from "./page.ts";
import {
  channelPath,
  commandLine,
  generationPath,
  isInstalled,
  packagePath,
  sheetPath,
} from "./parts.ts";

export interface ChannelsData {
  readonly channels: readonly ChannelSummary[];
  /** Those through which packages are promoted, in that order. */
  readonly line: readonly ChannelView[];
  /** What a promotion between two neighbours of the line would change. */
  readonly promotions: readonly Promotion[];
  readonly keyFingerprint: string | undefined;
}

export interface Promotion {
  readonly from: string;
  readonly to: string;
  readonly counts: PromotionCounts;
}

const WHAT_FOR: Readonly<Record<string, string>> = {
  dev: "every green build of a default branch",
  testing: "what is about to be released",
  stable: "what production hosts install",
};

/** All channels that hosts can subscribe to. */
export function channelsPage(data: ChannelsData, context: PageContext): Page {
  const { channels, line } = data;
  const others = channels.filter(({ name }) => !line.some((one) => one.name === name));
  return {
    title: "Channels",
    icon: "none",
    trail: [{ text: "Channels" }],
    main: html`<div class="section-head">
        <h1>Channels</h1>
        <p class="facts">
          <span>yum repositories that hosts subscribe to</span>${signedLine(data.keyFingerprint)}
        </p>
      </div>
      <ol class="line">
        ${line.map((channel) => lineItem(channel, data, context))}
      </ol>
      ${channels.every(({ head }) => head === 0) ? firstPublish() : null}
      ${otherChannels(
        "Other channels",
        others.filter(({ parent }) => parent === null),
        context,
      )}
      ${otherChannels(
        "Branches, pull requests and builds",
        others.filter(({ parent }) => parent !== null),
        context,
      )}`,
  };
}

function lineItem(channel: ChannelView, { promotions }: ChannelsData, context: PageContext): Html {
  const promotion = promotions.find(({ from }) => from === channel.name);
  return html`<li class="line-item">
    ${channelCard(channel, context)} ${promotion === undefined ? null : step(promotion, context)}
  </li>`;
}

function channelCard(channel: ChannelView, { now }: PageContext): Html {
  const { name, head, updatedAt, targets, generations } = channel;
  const main = targets.filter(({ name: target }) => isInstalled(target));
  const cause = generations[0]?.causes.at(-1);
  return html`<article class="channel-card" data-row>
    <h2><a href="${channelPath(name)}" data-open>${said(name)}</a></h2>
    <p class="faint">${WHAT_FOR[name] ?? ""}</p>
    ${
      head === 0
        ? html`<p class="faint">empty</p>`
        : html`<p>
              <a href="${generationPath({ channel: name, number: head })}">generation ${head}</a>
              ${timeAgo(updatedAt, now)}
            </p>
            ${cause === undefined ? null : html`<p class="card-cause">${causeText(cause)}</p>`}
            ${newest(generations)}
            <ul class="facts">
              ${main.map(({ name: target, packages }) => html`<li>${said(target)}: ${plural(packages, "package")}</li>`)}
            </ul>`
    }
    <p class="facts">${settingsFacts(channel)}</p>
  </article>`;
}

const NEWEST_MAX = 4;

/** What came last and is for installing. */
function newest(generations: ChannelView["generations"]): Html {
  const gone = new Set<string>();
  const names = new Map<string, string>();
  for (const { added, removed } of generations) {
    for (const nevra of added) {
      const isMain = !nevra.endsWith(".src") && !/-debug(?:info|source)-/.test(nevra);
      if (isMain && !gone.has(nevra) && !names.has(nameOf(nevra))) names.set(nameOf(nevra), nevra);
    }
    for (const nevra of removed) gone.add(nevra);
  }
  const shown = [...names].slice(0, NEWEST_MAX);
  if (shown.length === 0) return html``;
  return html`<ul class="newest" aria-label="Newest versions">
    ${shown.map(([name, nevra]) => html`<li><a class="nevra" href="${packagePath(name, nevra)}">${said(nevra)}</a></li>`)}
  </ul>`;
}

/** Between two channels: what promoting all of one to the other would change. */
function step({ from, to, counts }: Promotion, { visitor }: PageContext): Html {
  const { added, updated } = counts;
  const text = [
    ...(updated === 0 ? [] : [plural(updated, "update")]),
    ...(added === 0 ? [] : [plural(added, "new name")]),
  ].join(", ");
  return html`<div class="line-step">
    <span class="line-arrow" aria-hidden="true"></span>
    ${
      text === ""
        ? html`<p class="faint">nothing to promote</p>`
        : html`<p>${text}</p>
            ${visitor === "admin" ? html`<a class="button" href="${sheetPath({ kind: "promote", all: "1", from, to })}">Promote to ${to}</a>` : null}`
    }
  </div>`;
}

function otherChannels(
  title: string,
  channels: readonly ChannelSummary[],
  { now }: PageContext,
): Html {
  if (channels.length === 0) return html``;
  return html`<section>
    <h2>${title}</h2>
    <table class="data">
      <thead>
        <tr>
          <th scope="col">Channel</th>
          <th scope="col">Copy of</th>
          <th scope="col">Generation</th>
          <th scope="col" class="wide-only">Changed</th>
          <th scope="col">Deleted</th>
        </tr>
      </thead>
      <tbody>
        ${channels.map((channel) => otherRow(channel, now))}
      </tbody>
    </table>
  </section>`;
}

function otherRow({ name, parent, head, updatedAt, expiresAt }: ChannelSummary, now: number): Html {
  const word = (text: string): Html => html`<span class="narrow-only faint">${text} </span>`;
  return html`<tr data-row>
    <td><a href="${channelPath(name)}" data-open>${said(name)}</a></td>
    ${
      parent === null
        ? html`<td class="wide-only faint">–</td>`
        : html`<td>
            ${word("copy of")}<a
              href="${generationPath({ channel: parent.name, number: parent.number })}"
              >${said(parent.name)} ${parent.number}</a
            >
          </td>`
    }
    <td>
      ${head === 0 ? html`<span class="faint">empty</span>` : html`${word("generation")}<span class="num">${head}</span>`}
    </td>
    <td class="wide-only">
      ${head === 0 ? html`<span class="faint">–</span>` : timeAgo(updatedAt, now)}
    </td>
    ${expiresAt === null ? html`<td class="wide-only faint">stays</td>` : html`<td>${word("deleted")}${expiryText(expiresAt, now)}</td>`}
  </tr>`;
}

/** The channels of the line that follow each other. */
export function neighbours<T extends { readonly name: string }>(
  channels: readonly T[],
): readonly { readonly from: T; readonly to: T }[] {
  const line = CHANNELS.flatMap((name) => channels.find((one) => one.name === name) ?? []);
  return line.slice(1).flatMap((to, index) => {
    const from = line[index];
    return from === undefined ? [] : [{ from, to }];
  });
}

/** Where a channel's packages are promoted to; undefined at the end, and beside the line. */
export function nextChannel(name: string): string | undefined {
  const at = (CHANNELS as readonly string[]).indexOf(name);
  return at === -1 ? undefined : CHANNELS[at + 1];
}

/** How anything gets into a channel at all. */
export function firstPublish(channel = "dev"): Html {
  return html`<div class="empty">
    <p>
      Nothing is published yet. Two lines in <code>.tatara.yml</code> publish every green build of
      the default branch:
    </p>
    <pre class="snippet">
package: hello.spec
publish: ${said(channel)}</pre>
    <p>Or see it done with a sample:</p>
    ${commandLine("npm run demo")}
  </div>`;
}
