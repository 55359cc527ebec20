import type { Counts } from "../views.ts";
import { html, said, type Html } from "./html.ts";
import { brandIcon } from "./icons.ts";
import { plural } from "./format.ts";
import { THEMES, type Crumb, type Page, type PageContext } from "./page.ts";

/** The whole document. */
export function documentOf(page: Page, context: PageContext, version: string): string {
  const { assets, theme } = context;
  return html`<!doctype html>
    <html lang="en" data-theme="${theme}" data-now="${context.now}" data-version="${version}">
      <head>
        <meta charset="utf-8" />
        <title>${titleOf(page)}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="stylesheet" href="${assets.style}" />
        <link rel="icon" type="image/svg+xml" href="${assets.icons[page.icon]}" />
        <script type="module" src="${assets.script}"></script>
      </head>
      <body>
        <a class="skip" href="#main">Skip to content</a>
        ${pageBody(page, context)}${helpDialog()}
        <p class="lost" role="status" hidden></p>
        <p class="unseen" role="status" aria-live="polite" data-announce></p>
      </body>
    </html>`.markup;
}

/** The part that is drawn anew on every change and morphed into open pages. */
export function pageBody(page: Page, context: PageContext): Html {
  return html`<div
    id="page"
    class="${page.shape ?? "flow"}"
    data-title="${titleOf(page)}"
    data-icon="${context.assets.icons[page.icon]}"
  >
    ${topBar(page, context)}
    <main id="main" tabindex="-1">${page.main}</main>
    ${footer(context)}
  </div>`;
}

function titleOf(page: Page): string {
  return `${page.title} · Tatara`;
}

function topBar(page: Page, context: PageContext): Html {
  return html`<header class="top">
    <a class="brand" href="/">${brandIcon()}<span>Tatara</span></a>
    <nav class="trail" aria-label="Where this is">
      <ol>
        ${page.trail.map((crumb, index) => crumbItem(crumb, index === page.trail.length - 1))}
      </ol>
    </nav>
    <nav class="main-nav" aria-label="Pages">
      <a href="/">Builds</a><a href="/repos">Repos</a><a href="/packages">Packages</a
      ><a href="/channels">Channels</a>
    </nav>
    ${context.counts === undefined ? null : health(context.counts)}
    <form class="search" action="/repos" role="search">
      <input
        type="search"
        name="q"
        placeholder="Find a repo"
        aria-label="Find a repo"
        autocomplete="off"
        spellcheck="false"
        maxlength="200"
      /><kbd aria-hidden="true">/</kbd>
    </form>
  </header>`;
}

function crumbItem({ text, href }: Crumb, isLast: boolean): Html {
  if (isLast) return html`<li aria-current="page">${said(text)}</li>`;
  return html`<li>
    ${href === undefined ? said(text) : html`<a href="${href}">${said(text)}</a>`}
  </li>`;
}

function health({ liveWorkers, jobsRunning, jobsQueued }: Counts): Html {
  const mood = liveWorkers === 0 ? "none" : "some";
  const parts = [
    ...(jobsRunning > 0 ? [`${jobsRunning} running`] : []),
    ...(jobsQueued > 0 ? [`${jobsQueued} waiting`] : []),
  ];
  return html`<p class="health workers-${mood}">
    <span class="dot" aria-hidden="true"></span>
    <a href="/workers">${liveWorkers === 0 ? "no worker" : plural(liveWorkers, "worker")}</a>
    <span class="load">${parts.length === 0 ? "idle" : parts.join(", ")}</span>
  </p>`;
}

function footer(context: PageContext): Html {
  return html`<footer class="foot">
    <p>Tatara: push source, get tested, signed packages.</p>
    <button type="button" class="plain with-script" data-help>Keys <kbd>?</kbd></button>
    <form method="post" action="/theme">
      <input type="hidden" name="next" value="${context.path}" />
      <fieldset class="themes">
        <legend class="unseen">Colours</legend>
        ${THEMES.map(
          (theme) =>
            html`<button
              name="theme"
              value="${theme}"
              aria-pressed="${String(theme === context.theme)}"
            >
              ${theme}
            </button>`,
        )}
      </fieldset>
    </form>
    ${signLink(context)}
  </footer>`;
}

function signLink({ visitor, path }: PageContext): Html {
  if (visitor === "admin") {
    return html`<form method="post" action="/logout">
      <button class="plain">Sign out</button>
    </form>`;
  }
  if (visitor === undefined) return html``;
  return html`<a class="plain" href="/login?${new URLSearchParams({ next: path }).toString()}"
    >Sign in</a
  >`;
}

const KEYS = [
  ["j k", "next, previous row"],
  ["Enter", "open the row"],
  ["f F", "next, previous failure"],
  ["l", "follow the log"],
  ["w", "wrap long lines"],
  ["y", "copy the address of this place"],
  ["/", "find a repo"],
  ["g b", "go to builds"],
  ["g r", "go to repos"],
  ["g p", "go to packages"],
  ["g c", "go to channels"],
  ["?", "this list"],
] as const;

function helpDialog(): Html {
  return html`<dialog id="help" aria-labelledby="help-title">
    <h2 id="help-title">Keys</h2>
    <dl>
      ${KEYS.map(
        ([keys, what]) =>
          html`<div>
            <dt>${keys.split(" ").map((key) => html`<kbd>${key}</kbd> `)}</dt>
            <dd>${what}</dd>
          </div>`,
      )}
    </dl>
    <p>
      <label><input type="checkbox" data-keys checked /> Single keys act on this page</label>
    </p>
    <form method="dialog"><button class="button">Close</button></form>
  </dialog>`;
}
