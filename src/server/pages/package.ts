import { CHANNELS } from "../../domain/channel.ts";
import { shortRef } from "../../domain/push.ts";
import type { PackageDetails } from "../changes/package-details.ts";
import type { BuildView, PackageView } from "../views.ts";
import { builtBy } from "./channel-packages.ts";
import { bytes, exact, timeAgo } from "./format.ts";
import { html, said, type Html } from "./html.ts";
import { curlLine, keyLine } from "./install.ts";
import { packageActs } from "./package-acts.ts";
import { detailFolds } from "./package-details.ts";
import { verifiedFact, type VerifiedBy } from "./package-verified.ts";
import { versionsSection } from "./package-versions.ts";
import type { Page, PageContext } from "./page.ts";
import {
  buildPath,
  channelPath,
  commandLine,
  copyButton,
  evrText,
  isInstalled,
  repoPath,
  rpmPath,
  shaChip,
  subjectOf,
} from "./parts.ts";

export interface PackageData {
  /** Of one name, the newest first; never empty. */
  readonly versions: readonly PackageView[];
  /** The one that is shown in full. */
  readonly chosen: PackageView;
  /** What its RPM says; undefined when its bytes are deleted. */
  readonly details: PackageDetails | undefined;
  /** Which page of its files. */
  readonly filesFrom: number;
  /** What made it; undefined when it was imported. */
  readonly build: (VerifiedBy & Pick<BuildView, "sha" | "ref" | "message">) | undefined;
  readonly keyFingerprint: string | undefined;
}

/** A package: where each of its versions is, and all about one of them. */
export function packagePage(data: PackageData, context: PageContext): Page {
  const { versions, chosen } = data;
  return {
    title: chosen.name,
    icon: "none",
    trail: [{ text: "Packages", href: "/packages" }, { text: chosen.name }],
    main: html`<div class="section-head">
        <h1>${said(chosen.name)}</h1>
        <p>${said(chosen.summary)}</p>
      </div>
      ${newestPlaces(versions)} ${chosenSection(data, context)}
      ${versionsSection(versions, chosen, context)}`,
  };
}

/** The newest version in each channel of the line, which is what most come to see. */
function newestPlaces(versions: readonly PackageView[]): Html {
  const places = CHANNELS.map((channel) => {
    const newest = versions.find(({ listings }) => listings.some((one) => one.channel === channel));
    return html`<li>
      <a href="${channelPath(channel)}">${channel}</a>
      ${newest === undefined ? html`<span class="faint">–</span>` : html`<b class="nevra">${said(evrText(newest))}</b>`}
    </li>`;
  });
  return html`<ul class="places" aria-label="Newest version in each channel">
    ${places}
  </ul>`;
}

function chosenSection(data: PackageData, context: PageContext): Html {
  const { chosen, details } = data;
  return html`<section id="chosen" class="chosen" aria-labelledby="chosen-title">
    <h2 id="chosen-title">${said(chosen.nevra)}</h2>
    <p class="facts">
      <span>${bytes(chosen.sizeBytes)}</span
      >${chosen.license === "" ? null : html`<span>${said(chosen.license)}</span>`}
      <span>published ${timeAgo(chosen.publishedAt, context.now)}</span>
      ${details === undefined || details.signedBy.length === 0 ? null : html`<span class="signed">signed by ${details.signedBy.map((key) => html`<code>${said(key.slice(-8).toUpperCase())}</code> `)}</span>`}
    </p>
    ${yankedNotice(chosen, context.now)} ${provenance(data)} ${installLines(data, context)}
    ${facts(data)} ${context.visitor === "admin" ? packageActs(chosen) : null}
    ${details === undefined ? html`<p class="note-line">Its bytes are deleted: no generation that is kept lists it.</p>` : detailFolds({ nevra: chosen.nevra, filesFrom: data.filesFrom }, details)}
  </section>`;
}

function yankedNotice({ yanked }: PackageView, now: number): Html {
  if (yanked === null) return html``;
  const { at, reason, refused } = yanked;
  return html`<p class="notice">
    <b>Yanked</b> ${timeAgo(at, now)}${reason === "" ? null : html`: ${said(reason)}`}.
    ${refused ? "Downloads are refused everywhere." : "Hosts with older metadata can still fetch it."}
  </p>`;
}

function provenance({ chosen, build }: PackageData): Html {
  if (build === undefined) {
    return html`<p class="facts"><span>${builtBy(chosen)}</span></p>`;
  }
  const path = buildPath(build);
  return html`<p class="facts">
    <span>built by <a href="${path}">${said(build.repo)} #${build.number}</a></span>
    <span>from ${said(shortRef(build.ref))} ${shaChip(build.sha)}</span>
    <span>${subjectOf(build.message)}</span>
    <span><a href="${path}/package">log</a></span>
    ${verifiedFact(build, chosen)}
    <span>owner <a href="${repoPath(chosen.repo)}">${said(chosen.repo)}</a></span>
  </p>`;
}

/** From the channel that is furthest along the line. */
function installLines({ chosen, keyFingerprint }: PackageData, { publicUrl }: PageContext): Html {
  const place = bestPlace(chosen);
  if (place === undefined || chosen.arch === "src" || !isInstalled(place.target)) return html``;
  const { name, version, release } = chosen;
  return html`${commandLine(`sudo dnf install ${name}-${version}-${release}`)}
    <details class="first-time">
      <summary>First time on this host</summary>
      ${commandLine(curlLine({ publicUrl, ...place }))} ${keyLine(keyFingerprint)}
      <p class="faint">
        <a href="${channelPath(place.channel)}">${said(place.channel)}</a> has the lines for dnf 5
        and zypper.
      </p>
    </details>`;
}

/** Where it is listed: stable before testing, and channels of the line before others. */
export function bestPlace({ listings }: PackageView): PackageView["listings"][number] | undefined {
  const rank = (channel: string): number => (CHANNELS as readonly string[]).indexOf(channel);
  return listings.toSorted((a, b) => rank(b.channel) - rank(a.channel))[0];
}

function facts({ chosen, details }: PackageData): Html {
  const place = bestPlace(chosen);
  const rows: readonly (readonly [string, Html | undefined])[] = [
    [
      "File",
      place === undefined
        ? said(chosen.fileName)
        : html`<a class="nevra" href="${rpmPath(place, chosen)}" download
            >${said(chosen.fileName)}</a
          >`,
    ],
    [
      "SHA-256",
      html`<code class="digest">${chosen.signedSha256}</code>
        ${copyButton(chosen.signedSha256, "the checksum")}`,
    ],
    ["Installed size", details && html`${bytes(details.installedBytes)}`],
    ["Built", details && html`${exact(details.buildTime)}`],
    [
      "Source",
      details?.sourceRpm ? html`<span class="nevra">${said(details.sourceRpm)}</span>` : undefined,
    ],
    ["Vendor", details?.vendor ? said(details.vendor) : undefined],
    // Only ever text: whoever wrote the spec chose it.
    ["Home page", details?.url ? said(details.url) : undefined],
    ["In", html`${placesText(chosen)}`],
  ];
  return html`<dl class="settings">
    ${rows.map(([what, value]) =>
      value === undefined
        ? null
        : html`<div>
            <dt>${what}</dt>
            <dd>${value}</dd>
          </div>`,
    )}
  </dl>`;
}

function placesText({ listings, yanked }: PackageView): Html {
  if (listings.length === 0) {
    return html`no
    channel${yanked === null ? ": a newer version took its place, or it was removed" : ""}`;
  }
  const channels = [...Map.groupBy(listings, ({ channel }) => channel)];
  return html`${channels.map(([channel, places], index) => {
    const targets = places.map(({ target }) => target).join(", ");
    return html`${index === 0 ? null : "; "}<a href="${channelPath(channel)}">${said(channel)}</a>
      <span class="faint">${said(targets)}</span>`;
  })}`;
}
