import type { ChangeResult } from "../../shared/channel-changes.ts";
import { duration } from "../assets/times.ts";
import type { GenerationView } from "../views.ts";
import { difference } from "./generations.ts";
import { html, said, type Html } from "./html.ts";
import type { Page, PageContext } from "./page.ts";
import { channelPath, generationPath, hiddenFields } from "./parts.ts";

export interface ChangeResultData {
  readonly result: ChangeResult & { readonly publishId: string };
  /** The generations that it made, as far as they are still listed. */
  readonly made: readonly MadeGeneration[];
}

export interface MadeGeneration {
  readonly channel: string;
  /** The channel's newest now. */
  readonly head: number;
  readonly generation: GenerationView;
}

const STATES = {
  queued: { icon: "queued", title: "Waiting" },
  running: { icon: "running", title: "Under way" },
  live: { icon: "passed", title: "Live" },
  failed: { icon: "failed", title: "Not done" },
  errored: { icon: "errored", title: "Not done" },
  cancelled: { icon: "cancelled", title: "Cancelled" },
} as const satisfies Record<ChangeResult["state"], object>;

/** What became of a change, and the way back. */
export function changeResultPage(data: ChangeResultData, context: PageContext): Page {
  const { result } = data;
  const { icon, title } = STATES[result.state];
  return {
    title: `${title}: change`,
    icon,
    trail: [{ text: "Channels", href: "/channels" }, { text: "Change" }],
    main: html`<article class="sheet">
      ${result.state === "live" ? live(data, context) : ended(result)}
      ${
        result.report.length === 0
          ? null
          : html`<ul class="report">
              ${result.report.map((line) => html`<li>${said(line)}</li>`)}
            </ul>`
      }
    </article>`,
  };
}

function titleText({ result, made }: ChangeResultData): string {
  const causes = made.flatMap(({ generation }) => generation.causes);
  return causes.find(({ publishId }) => publishId === result.publishId)?.note ?? "";
}

function live(data: ChangeResultData, { visitor }: PageContext): Html {
  const { result, made } = data;
  const title = titleText(data);
  return html`<section class="card card-live" aria-labelledby="live-title">
    <p class="card-label"><span>Live</span></p>
    <h1 id="live-title">${title === "" ? "The change is live" : said(title)}</h1>
    <p class="facts">
      ${result.generations.map((one) => html`<span><a href="${generationPath(one)}">${said(one.channel)} generation ${one.number}</a></span>`)}
      ${result.durationMs === null ? null : html`<span>in ${duration(result.durationMs)}</span>`}
      <span class="signed">metadata signed</span>
    </p>
    ${made.map(({ generation }) => difference(generation))}
    ${visitor === "admin" ? html`<div class="sheet-acts">${made.map((one) => undoForm(one, made.length > 1))}</div>` : null}
  </section>`;
}

/** While nothing else has changed the channel, undoing takes back this change and nothing else. */
function undoForm({ channel, head, generation }: MadeGeneration, isOneOfMany: boolean): Html {
  if (generation.number !== head) {
    return html`<p class="faint">
      <a href="${channelPath(channel)}#generations-title">${said(channel)}</a> has changed since.
    </p>`;
  }
  if (head === 1) return html``;
  return html`<form method="post" action="/change">
    ${hiddenFields([
      ["kind", "undo"],
      ["channel", channel],
      ["head", `${channel}:${head}`],
    ])}
    <button class="button">Undo${isOneOfMany ? html` in ${said(channel)}` : null}</button>
  </form>`;
}

function ended({ state, reason }: ChangeResult): Html {
  const { title } = STATES[state];
  if (state === "queued" || state === "running") {
    return html`<h1>${title}</h1>
      <p class="reason">
        The publish worker has it; nothing is lost. This page changes when it is done, and without
        scripts when you load it again.
      </p>`;
  }
  return html`<section
    class="card card-${state === "errored" ? "ours" : "theirs"}"
    aria-labelledby="ended-title"
  >
    <h1 id="ended-title">${title}</h1>
    <p>${reason === null ? "No reason is known." : said(reason)}</p>
    <p class="faint">No channel was changed. <a href="/channels">All channels</a></p>
  </section>`;
}
