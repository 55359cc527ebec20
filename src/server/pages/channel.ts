import type { ChannelView } from "../views.ts";
import { packagesSection, type PackagesPage } from "./channel-packages.ts";
import { settingsSection, expiryText } from "./channel-settings.ts";
import { firstPublish, nextChannel } from "./channels.ts";
import { timeAgo } from "./format.ts";
import { generationsSection } from "./generations.ts";
import { html, said, type Html } from "./html.ts";
import { installSteps, signedLine } from "./install.ts";
import type { Page, PageContext } from "./page.ts";
import { channelPath, generationPath, isInstalled, sheetPath } from "./parts.ts";

export interface ChannelData {
  readonly channel: ChannelView;
  /** Of the chosen target. */
  readonly packages: PackagesPage;
  readonly keyFingerprint: string | undefined;
  /** Chosen by the reader; the first one else. */
  readonly target: string | undefined;
}

/** One channel: how to subscribe, what is in it, and how it came to be. */
export function channelPage(data: ChannelData, context: PageContext): Page {
  const { channel } = data;
  return {
    title: `${channel.name} channel`,
    icon: "none",
    trail: [{ text: "Channels", href: "/channels" }, { text: channel.name }],
    main: html`${head(data, context)}
    ${channel.head === 0 ? html`${firstPublish(channel.name)}${settingsSection(channel, context.now)}` : filled(data, context)}`,
  };
}

/** The target that is shown: as chosen, or the first one that hosts install from. */
export function shownTarget(channel: ChannelView, chosen: string | undefined): string | undefined {
  const names = channel.targets.map(({ name }) => name);
  return chosen ?? names.find(isInstalled) ?? names[0];
}

function head({ channel, keyFingerprint }: ChannelData, { now, visitor }: PageContext): Html {
  const { name, head: number, parent, expiresAt } = channel;
  return html`<div class="section-head">
    <h1>${said(name)}</h1>
    <p class="facts">
      ${number === 0 ? html`<span>empty</span>` : html`<span>generation ${number}</span><span>${timeAgo(channel.updatedAt, now)}</span>`}
      ${parent === null ? null : html`<span>copy of <a href="${generationPath({ channel: parent.name, number: parent.number })}">${said(parent.name)} ${parent.number}</a></span>`}
      ${expiresAt === null ? null : html`<span>deleted ${expiryText(expiresAt, now)}</span>`}
      ${signedLine(keyFingerprint)}
    </p>
    ${visitor === "admin" && number > 0 ? acts(channel) : null}
  </div>`;
}

function acts({ name, generations }: ChannelView): Html {
  const next = nextChannel(name);
  return html`<div class="head-acts">
    ${next === undefined ? null : html`<a class="button" href="${sheetPath({ kind: "promote", all: "1", from: name, to: next })}">Promote all to ${next}</a>`}
    ${generations.length < 2 ? null : html`<a class="button" href="${sheetPath({ kind: "undo", channel: name })}">Undo the newest change</a>`}
  </div>`;
}

function filled(data: ChannelData, context: PageContext): Html {
  const { channel, packages, keyFingerprint, target } = data;
  const main = channel.targets.map(({ name }) => name).filter(isInstalled);
  const chosen = shownTarget(channel, target);
  return html`<section aria-labelledby="install-title">
      <h2 id="install-title">Install</h2>
      ${channel.targets.length < 2 ? null : targetTabs(channel, chosen)}
      ${layerLine(channel, chosen)}
      ${installSteps(
        {
          publicUrl: context.publicUrl,
          channel: channel.name,
          // The server knows the target where there is one choice only.
          target: main.length === 1 && chosen === main[0] ? undefined : chosen,
          packages: packages.versions[0]?.name ?? "PACKAGE",
        },
        keyFingerprint,
      )}
    </section>
    ${packagesSection(channel, chosen, packages, context)} ${generationsSection(channel, context)}
    ${settingsSection(channel, context.now)}`;
}

function targetTabs({ name, targets }: ChannelView, chosen: string | undefined): Html {
  return html`<nav class="filter" aria-label="Target">
    ${targets.map(({ name: target }) => html`<a href="${channelPath(name)}?target=${encodeURIComponent(target)}" ${target === chosen ? html` aria-current="true"` : null}>${said(target)}</a>`)}
  </nav>`;
}

/** Two sections in one `.repo` file make people wonder. */
function layerLine({ generations }: ChannelView, target: string | undefined): Html {
  const served = generations[0]?.targets ?? {};
  if (target === undefined || !Object.hasOwn(served, `${target}-updates`)) return html``;
  return html`<p class="note-line">
    This target is large, so its <code>.repo</code> file has two sections: a base that seldom
    changes, and the updates since. Keep both; together they are the whole.
  </p>`;
}
