import { CHANNELS } from "../../domain/channel.ts";
import type { PackageView } from "../views.ts";
import { html, type Html } from "./html.ts";
import { hiddenFields } from "./parts.ts";

/** What can be done with a version. Each form leads to the sheet that shows what would change. */
export function packageActs(one: PackageView): Html {
  const channels = [...new Set(one.listings.map(({ channel }) => channel))];
  return html`<div class="package-acts">
    ${promoteForm(one, channels)} ${undoForm(channels)} ${yankForm(one, channels)}
  </div>`;
}

function promoteForm(one: PackageView, channels: readonly string[]): Html {
  const open = CHANNELS.filter((channel) => !channels.includes(channel));
  const [from] = channels;
  if (one.yanked !== null || from === undefined || open.length === 0) return html``;
  const { repo, buildNumber, nevra } = one;
  const build = buildNumber === null ? undefined : `${repo}#${buildNumber}`;
  return html`<form action="/change">
    ${hiddenFields([["kind", "promote"]])}
    <select name="what" aria-label="What to promote">
      ${build === undefined ? null : html`<option value="build ${build}">all of build #${buildNumber}</option>`}
      <option value="package ${nevra}">this package only</option>
    </select>
    to
    <select name="to" aria-label="Channel to promote to">
      ${open.map((channel) => html`<option>${channel}</option>`)}
    </select>
    <button class="button">Promote…</button>
  </form>`;
}

function undoForm(channels: readonly string[]): Html {
  if (channels.length === 0) return html``;
  return html`<form action="/change">
    ${hiddenFields([["kind", "undo"]])}
    <label
      >Undo the newest change of
      <select name="channel">
        ${channels.map((channel) => html`<option value="${channel}">${channel}</option>`)}
      </select></label
    >
    <button class="button">Undo…</button>
  </form>`;
}

function yankForm({ nevra, yanked }: PackageView, channels: readonly string[]): Html {
  if (yanked?.refused === true) return html``;
  return html`<form action="/change">
    ${hiddenFields([
      ["kind", "yank"],
      ["package", nevra],
    ])}
    <label
      >Yank from
      <select name="channel">
        <option value="">every channel, for good</option>
        ${channels.map((channel) => html`<option value="${channel}">${channel} only</option>`)}
      </select></label
    >
    <button class="button">Yank…</button>
  </form>`;
}
