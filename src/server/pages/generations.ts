import type { ChangeCause } from "../../shared/channel-changes.ts";
import type { ChannelView, GenerationView } from "../views.ts";
import { plural, timeAgo } from "./format.ts";
import { html, said, type Html } from "./html.ts";
import type { PageContext } from "./page.ts";
import {
  buildPath,
  channelPath,
  commandLine,
  hiddenFields,
  isInstalled,
  packagePath,
  sheetPath,
} from "./parts.ts";

/** The rest is behind a fold. */
const SHOWN_AT_ONCE = 8;
/** Packages that a generation's line names before it folds them. */
const NAMED_MAX = 4;

/** How a channel came to list what it does: each change with its cause, and the way back to it. */
export function generationsSection(channel: ChannelView, context: PageContext): Html {
  const { generations } = channel;
  if (generations.length === 0) return html``;
  const draw = (some: readonly GenerationView[]): Html =>
    html`<ol class="generations">
      ${some.map((one) => generationItem(channel, one, context))}
    </ol>`;
  const older = generations.slice(SHOWN_AT_ONCE);
  return html`<section aria-labelledby="generations-title">
    <h2 id="generations-title">
      Generations <span class="faint">each change of what the channel lists</span>
    </h2>
    ${draw(generations.slice(0, SHOWN_AT_ONCE))}
    ${
      older.length === 0
        ? null
        : html`<details class="fold">
            <summary>${plural(older.length, "earlier one")}</summary>
            ${draw(older)}
          </details>`
    }
  </section>`;
}

function generationItem(
  channel: ChannelView,
  generation: GenerationView,
  context: PageContext,
): Html {
  const { number, createdAt, isPinned, isKept } = generation;
  const isHead = number === channel.head;
  return html`<li id="g${number}" class="generation">
    <p class="generation-head">
      <b class="num">${number}</b>
      ${isHead ? html`<span class="badge">current</span>` : null}
      ${isPinned ? html`<span class="badge">pinned</span>` : null}
      <span class="faint">${timeAgo(createdAt, context.now)}</span>
    </p>
    <div class="generation-body">
      ${causeLines(generation.causes)} ${difference(generation)}
      ${isKept ? pinnedAddress(channel, generation, context) : html`<p class="faint">Its metadata is no longer kept.</p>`}
    </div>
    ${isKept && context.visitor === "admin" ? generationActs(channel.name, generation, isHead) : null}
  </li>`;
}

/** Why there is a generation, one line for each change that went into it. */
export function causeLines(causes: readonly ChangeCause[]): Html {
  return html`${causes.map((cause) => html`<p>${causeText(cause)}</p>`)}`;
}

export function causeText({ build, kind, by, note }: ChangeCause): Html {
  const text = note === "" ? null : said(note);
  if (build !== null) {
    return html`<a href="${buildPath(build)}">${said(build.repo)} #${build.number}</a>
      published${text === null ? null : html`; ${text}`}`;
  }
  return html`${text ?? said(WORDS[kind] ?? kind)} <span class="faint">by ${said(by)}</span>`;
}

const WORDS: Readonly<Record<string, string>> = {
  edit: "list changed",
  restore: "an earlier list came back",
  import: "folder imported",
};

/** What hosts saw appear and go. */
export function difference({ added, removed }: Pick<GenerationView, "added" | "removed">): Html {
  return html`${packagesLine("+", "added", added)}${packagesLine("−", "removed", removed)}`;
}

function packagesLine(mark: string, word: string, nevras: readonly string[]): Html {
  if (nevras.length === 0) return html``;
  const link = (nevra: string): Html =>
    html`<a class="nevra" href="${packagePath(nameOf(nevra), nevra)}">${said(nevra)}</a> `;
  const sign = html`<span class="diff-${word}" aria-hidden="true">${mark}</span
    ><span class="unseen">${word}: </span>`;
  if (nevras.length <= NAMED_MAX) return html`<p class="diff">${sign} ${nevras.map(link)}</p>`;
  return html`<details class="diff">
    <summary>${sign} ${plural(nevras.length, "package")}</summary>
    ${nevras.map((nevra) => html`<span class="block">${link(nevra)}</span>`)}
  </details>`;
}

/** `hello` of `hello-1.0-1.x86_64`: dashes are legal in names only. */
export function nameOf(nevra: string): string {
  return nevra.replace(/-[^-]*-[^-]*$/, "");
}

/** For hosts that must not move. */
function pinnedAddress(
  { name, targets }: ChannelView,
  { number }: GenerationView,
  { publicUrl }: PageContext,
): Html {
  const main = targets.filter(({ name: target }) => isInstalled(target));
  if (main.length === 0) return html``;
  return html`<details class="fold">
    <summary>Hosts that stay here</summary>
    <p class="faint">
      In the <code>.repo</code> file, in place of <code>mirrorlist=</code>; and pin the generation,
      so that it is kept:
    </p>
    ${main.map(({ name: target }) => commandLine(`baseurl=${publicUrl}/yum/${name}/${target}/g/${number}/`))}
  </details>`;
}

function generationActs(channel: string, generation: GenerationView, isHead: boolean): Html {
  const { number, isPinned } = generation;
  const back = sheetPath({ kind: "undo", channel, to: String(number) });
  return html`<div class="generation-acts">
    ${isHead ? null : html`<a class="button" href="${back}">Make this the current one</a>`}
    <form method="post" action="${channelPath(channel)}/pins">
      ${hiddenFields([
        ["generation", String(number)],
        ["isPinned", String(!isPinned)],
      ])}
      <button class="plain">${isPinned ? "Unpin" : "Pin"}</button>
    </form>
  </div>`;
}
