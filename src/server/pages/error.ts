import { html, said, type Html } from "./html.ts";
import type { Page } from "./page.ts";

export interface Trouble {
  readonly status: number;
  /** What happened, in one sentence. */
  readonly what: string;
  /** What to do next. */
  readonly next: Html;
}

export function errorPage({ status, what, next }: Trouble): Page {
  return {
    title: what,
    icon: "none",
    trail: [{ text: String(status) }],
    main: html`<section class="welcome">
      <p class="eyebrow">${status}</p>
      <h1>${said(what)}</h1>
      <p>${next}</p>
    </section>`,
  };
}

export function notFound(what: string): Trouble {
  return {
    status: 404,
    what,
    next: html`<a href="/">All builds</a>, <a href="/repos">all repos</a>,
      <a href="/packages">all packages</a>, <a href="/channels">all channels</a>.`,
  };
}

export const FOREIGN_FORM: Trouble = {
  status: 403,
  what: "This form was not sent from a page of this server",
  next: html`Nothing was changed. Open <a href="/">the builds</a> and try again from there.`,
};

export const BROKEN: Trouble = {
  status: 500,
  what: "The server could not draw this page",
  next: html`Builds are not affected. Reload in a moment; the server's log says what happened.`,
};
