import { CHANNELS } from "../../domain/channel.ts";
import type { ReadStore } from "../views.ts";
import { timeAgo } from "./format.ts";
import { html, said, type Html } from "./html.ts";
import type { Page, PageContext } from "./page.ts";
import { channelPath, commandLine } from "./parts.ts";
import { signedLine } from "./install.ts";

export interface ChannelsData {
  readonly channels: Awaited<ReturnType<ReadStore["listChannels"]>>;
  readonly keyFingerprint: string | undefined;
}

const WHAT_FOR: Readonly<Record<string, string>> = {
  dev: "every green build of a default branch",
  testing: "what is about to be released",
  stable: "what production hosts install",
};

/** All channels that hosts can subscribe to. */
export function channelsPage(
  { channels, keyFingerprint }: ChannelsData,
  context: PageContext,
): Page {
  return {
    title: "Channels",
    icon: "none",
    trail: [{ text: "Channels" }],
    main: html`<div class="section-head">
        <h1>Channels</h1>
        <p class="facts">
          <span>dnf repositories that hosts subscribe to</span>${signedLine(keyFingerprint)}
        </p>
      </div>
      <ul class="channel-cards">
        ${inOrder(channels).map((channel) => channelCard(channel, context))}
      </ul>
      ${channels.every(({ head }) => head === 0) ? firstPublish() : null}`,
  };
}

/** In the order in which packages are promoted; the rest by name. */
function inOrder(channels: ChannelsData["channels"]): ChannelsData["channels"] {
  const rank = (name: string): number => {
    const at = CHANNELS.findIndex((known) => known === name);
    return at === -1 ? CHANNELS.length : at;
  };
  return channels.toSorted((a, b) => rank(a.name) - rank(b.name) || a.name.localeCompare(b.name));
}

function channelCard(
  { name, head, updatedAt }: ChannelsData["channels"][number],
  { now }: PageContext,
): Html {
  const what = WHAT_FOR[name];
  return html`<li class="channel-card" data-row>
    <h2><a href="${channelPath(name)}" data-open>${said(name)}</a></h2>
    ${what === undefined ? null : html`<p>${what}</p>`}
    <p class="facts">
      ${head === 0 ? html`<span>empty</span>` : html`<span>generation ${head}</span><span>${timeAgo(updatedAt, now)}</span>`}
    </p>
  </li>`;
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
