import { CHANNELS } from "../../domain/channel.ts";
import type { PackageView } from "../views.ts";
import { builtBy } from "./channel-packages.ts";
import { bytes, plural, timeAgo } from "./format.ts";
import { html, said, type Html } from "./html.ts";
import type { PageContext } from "./page.ts";
import { channelPath, evrText, packagePath } from "./parts.ts";

/** More than these are folded. */
const SHOWN_AT_ONCE = 25;

/** Every version that was ever published, and which channel lists it for which targets. */
export function versionsSection(
  versions: readonly PackageView[],
  chosen: PackageView,
  context: PageContext,
): Html {
  const older = versions.slice(SHOWN_AT_ONCE);
  const draw = (some: readonly PackageView[]): Html => table(some, chosen, context);
  return html`<section aria-labelledby="versions-title">
    <h2 id="versions-title">
      Versions <span class="faint">${plural(versions.length, "package")} by this name</span>
    </h2>
    ${draw(versions.slice(0, SHOWN_AT_ONCE))}
    ${
      older.length === 0
        ? null
        : html`<details class="fold">
            <summary>${older.length} older</summary>
            ${draw(older)}
          </details>`
    }
  </section>`;
}

function table(versions: readonly PackageView[], chosen: PackageView, { now }: PageContext): Html {
  return html`<table class="data matrix">
    <thead>
      <tr>
        <th scope="col">Version</th>
        ${CHANNELS.map((name) => html`<th scope="col"><a href="${channelPath(name)}">${name}</a></th>`)}
        <th scope="col">Elsewhere</th>
        <th scope="col" class="wide-only">Built by</th>
        <th scope="col" class="right wide-only">Size</th>
        <th scope="col" class="wide-only">Published</th>
      </tr>
    </thead>
    <tbody>
      ${versions.map((one) => row(one, one.nevra === chosen.nevra, now))}
    </tbody>
  </table>`;
}

function row(one: PackageView, isChosen: boolean, now: number): Html {
  const { name, nevra, arch, yanked, listings } = one;
  const current = isChosen ? html` aria-current="true"` : null;
  const others = listings.filter(
    ({ channel }) => !(CHANNELS as readonly string[]).includes(channel),
  );
  return html`<tr data-row>
    <td class="nevra">
      <a href="${packagePath(name, nevra)}" data-open ${current}>${said(evrText(one))}</a
      ><span class="faint">.${arch}</span>
      ${yanked === null ? null : html`<span class="yanked block">yanked${yanked.refused ? ", refused" : ""}${yanked.reason === "" ? null : html`: ${said(yanked.reason)}`}</span>`}
    </td>
    ${CHANNELS.map((channel) => placeCell(channel, targetsIn(one, channel)))}
    <td class="${others.length === 0 ? "wide-only" : ""}">
      ${[...new Set(others.map(({ channel }) => channel))].map((channel) => html`<a class="block" href="${channelPath(channel)}">${said(channel)}</a>`)}
    </td>
    <td class="wide-only">${builtBy(one)}</td>
    <td class="right num wide-only">${bytes(one.sizeBytes)}</td>
    <td class="wide-only">${timeAgo(one.publishedAt, now)}</td>
  </tr>`;
}

function targetsIn({ listings }: PackageView, wanted: string): readonly string[] {
  return listings.filter(({ channel }) => channel === wanted).map(({ target }) => target);
}

function placeCell(channel: string, targets: readonly string[]): Html {
  if (targets.length === 0) return html`<td class="wide-only faint">–</td>`;
  return html`<td>
    <span class="narrow-only faint">${channel} </span
    >${targets.map((target) => html`<span class="place-target">${said(target)}</span>`)}
  </td>`;
}
