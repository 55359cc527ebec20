import type { ChangePlan, ChangeRequest, PlanLine } from "../../shared/channel-changes.ts";
import { fieldsOf } from "./change-form.ts";
import { plural } from "./format.ts";
import { nameOf } from "./generations.ts";
import { html, said, type Html } from "./html.ts";
import type { Page } from "./page.ts";
import { channelPath, hiddenFields, isInstalled, packagePath } from "./parts.ts";

export interface SheetData {
  readonly request: ChangeRequest;
  readonly plan: ChangePlan;
  /** Why it was not done when it was sent; null: it was not sent yet. */
  readonly notice: string | null;
  /** Where "Back" leads. */
  readonly back: string;
}

/** What a change would do, before it is done: the plan, and the form that does it. */
export function changeSheet(data: SheetData): Page {
  const { plan, notice } = data;
  return {
    title: WORDS[data.request.kind].title,
    icon: "none",
    trail: [{ text: "Channels", href: "/channels" }, { text: WORDS[data.request.kind].title }],
    main: html`<article class="sheet">
      <header>
        <p class="eyebrow">${WORDS[data.request.kind].title}</p>
        <h1>${said(plan.title)}</h1>
        <p class="facts">
          ${plan.channels.map(({ name, head }) => html`<span><a href="${channelPath(name)}">${said(name)}</a> is at generation ${head}</span>`)}
          ${summary(plan)}
        </p>
      </header>
      ${notice === null ? null : html`<p class="notice" role="alert">${said(notice)}</p>`}
      ${problems(data)}
      ${plan.warnings.map((warning) => html`<p class="notice">${said(warning)}</p>`)} ${lines(plan)}
      ${isDoneAlready(data) ? nothing(data) : form(data)}
    </article>`,
  };
}

const WORDS = {
  promote: { title: "Promote", button: "Promote" },
  undo: { title: "Undo", button: "Undo" },
  yank: { title: "Yank", button: "Yank" },
  retain: { title: "Apply retention", button: "Take them out" },
  rewrite: { title: "Rewrite metadata", button: "Rewrite" },
} as const satisfies Record<ChangeRequest["kind"], object>;

function summary({ add, remove }: ChangePlan): Html {
  const names = (some: readonly PlanLine[]): string =>
    plural(new Set(some.map(({ channel, nevra }) => `${channel} ${nevra}`)).size, "package");
  return html`${add.length === 0 ? null : html`<span>adds ${names(add)}</span>`}
  ${remove.length === 0 ? null : html`<span>removes ${names(remove)}</span>`}`;
}

/** All is as wished already. A yank of what nothing lists marks it all the same. */
function isDoneAlready({ plan, request }: SheetData): boolean {
  const isEmpty = plan.add.length + plan.remove.length === 0;
  return (
    isEmpty && (request.kind === "promote" || request.kind === "undo" || request.kind === "retain")
  );
}

function nothing({ back }: SheetData): Html {
  return html`<p class="empty">Nothing would change. <a href="${back}">Back</a></p>`;
}

function problems({ plan, request }: SheetData): Html {
  if (plan.problems.length === 0) return html``;
  const title =
    request.kind === "promote" ? "It would not install there" : "What would no longer install";
  return html`<section class="card card-theirs" aria-labelledby="problems-title">
    <h2 id="problems-title">${title}</h2>
    <ul class="problems">
      ${plan.problems.map(
        ({ code, message, hint }) =>
          html`<li>
            <p>${said(message)} <span class="code">${code}</span></p>
            <p class="faint">${said(hint)}</p>
          </li>`,
      )}
    </ul>
  </section>`;
}

/** As many as anybody reads; the rest is counted. */
const LINES_MAX = 300;

function lines({ add, remove, channels }: ChangePlan): Html {
  const all = [
    ...add.map((line) => ({ ...line, isAdded: true })),
    ...remove.map((line) => ({ ...line, isAdded: false })),
  ];
  if (all.length === 0) return html``;
  const main = all.filter(({ target }) => isInstalled(target));
  const beside = all.filter(({ target }) => !isInstalled(target));
  const options = { showsChannel: channels.length > 1 };
  return html`<section aria-labelledby="lines-title">
    <h2 id="lines-title">What hosts get</h2>
    ${main.length === 0 ? null : table(main, options)}
    ${
      beside.length === 0
        ? null
        : html`<details class="fold" ${main.length === 0 ? html` open` : null}>
            <summary>${plural(beside.length, "source or debug package")} beside</summary>
            ${table(beside, options)}
          </details>`
    }
  </section>`;
}

type Line = PlanLine & { readonly isAdded: boolean };

function table(all: readonly Line[], options: { readonly showsChannel: boolean }): Html {
  const more = all.length - LINES_MAX;
  return html`<table class="data plan">
      <thead>
        <tr>
          <th scope="col">Package</th>
          <th scope="col">For</th>
          <th scope="col">Hosts have now</th>
          <th scope="col">Hosts get</th>
        </tr>
      </thead>
      <tbody>
        ${all.slice(0, LINES_MAX).map((line) => row(line, options))}
      </tbody>
    </table>
    ${more > 0 ? html`<p class="faint">and ${more} more</p>` : null}`;
}

function row(line: Line, { showsChannel }: { readonly showsChannel: boolean }): Html {
  const { nevra, target, channel, replaces, leaves, isAdded } = line;
  return html`<tr>
    <td class="nevra">
      <span class="diff-${isAdded ? "added" : "removed"}" aria-hidden="true"
        >${isAdded ? "+" : "−"}</span
      ><span class="unseen">${isAdded ? "added: " : "removed: "}</span
      ><a href="${packagePath(nameOf(nevra), nevra)}">${said(nevra)}</a>
    </td>
    <td>${showsChannel ? html`${said(channel)} ` : null}${said(target)}</td>
    <td class="nevra">
      <span class="narrow-only faint">now </span>${versionText(replaces, nevra)}
    </td>
    <td class="nevra"><span class="narrow-only faint">then </span>${versionText(leaves, nevra)}</td>
  </tr>`;
}

/** The version alone where the name is the line's own. */
function versionText(nevra: string | null, of: string): Html {
  if (nevra === null) return html`<span class="faint">nothing</span>`;
  const name = nameOf(nevra);
  const isSame = name === nameOf(of);
  const text = isSame ? nevra.slice(name.length + 1).replace(/\.[^.]*$/, "") : nevra;
  return html`<span title="${nevra}">${said(text)}</span>`;
}

function form(data: SheetData): Html {
  const { request, plan, back } = data;
  const { kind } = request;
  return html`<form class="sheet-form" method="post" action="/change">
    ${hiddenFields([
      ...fieldsOf(request),
      // Another change meanwhile is shown first.
      ...plan.channels.map(({ name, head }) => ["head", `${name}:${head}`] as const),
    ])}
    ${noteField(request)} ${refuseBox(request)} ${forceBox(data)} ${confirmField(plan)}
    <p class="sheet-acts">
      <button class="button ${kind === "yank" ? "danger" : "primary"}">
        ${buttonText(request)}
      </button>
      <a class="button" href="${back}">Back</a>
    </p>
  </form>`;
}

function buttonText(request: ChangeRequest): Html {
  const word = WORDS[request.kind].button;
  if (request.kind === "promote") return html`${word} to ${request.to}`;
  return html`${word}`;
}

function noteField({ kind, note }: ChangeRequest): Html {
  const isYank = kind === "yank";
  return html`<label for="note"
      >${isYank ? "Reason" : "Note"}
      <span class="faint"
        >${isYank ? "shown with the package" : "for the channel's history, if you like"}</span
      ></label
    >
    <input
      id="note"
      name="note"
      value="${note}"
      maxlength="1000"
      autocomplete="off"
      ${isYank ? html` required` : null}
    />`;
}

function refuseBox(request: ChangeRequest): Html {
  if (request.kind !== "yank") return html``;
  if (request.channel !== null) {
    return html`<p class="faint">
      It leaves this channel and its copies only, and can be promoted again.
    </p>`;
  }
  const checked = request.refuseDownloads ? html` checked` : null;
  return html`<label class="check"
    ><input type="checkbox" name="refuse" value="1" ${checked} />
    <span
      ><b>Refuse downloads</b>
      <span class="faint block"
        >For security matters. Without this the file stays for hosts with older metadata, so nobody
        fails. With it every address answers 410 at once, in older generations too: a host that
        wants exactly this package fails until it refreshes, and undo does not bring it back.</span
      ></span
    ></label
  >`;
}

function forceBox({ request, plan }: SheetData): Html {
  if (request.kind !== "promote" || plan.problems.length === 0) return html``;
  const checked = request.force ? html` checked` : null;
  return html`<label class="check"
    ><input type="checkbox" name="force" value="1" required ${checked} />
    <span>Promote although it would not install</span></label
  >`;
}

function confirmField({ confirm }: ChangePlan): Html {
  if (confirm === null) return html``;
  return html`<label for="confirm"
      >Type <b>${said(confirm)}</b> to confirm
      <span class="faint">production hosts install from stable</span></label
    >
    <input
      id="confirm"
      name="confirm"
      autocomplete="off"
      autocapitalize="off"
      spellcheck="false"
      required
      maxlength="300"
    />`;
}
