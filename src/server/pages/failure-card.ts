import type { FailureCard } from "../../shared/message-parts.ts";
import { html, said, saidBlock, type Html } from "./html.ts";
import { count } from "./format.ts";
import { buildPath, copyButton } from "./parts.ts";

/** Whose fault it is, in words. */
const WHOSE = {
  code: "your code or its tests",
  file: "a file of the repo",
  network: "the network or a registry, not your code",
  ours: "us, not your code",
} as const satisfies Record<FailureCard["kind"], string>;

const EVIDENCE = {
  fault: "",
  report: "read in a test report",
  log: "found in the log",
  "last-lines": "the last lines of the log",
} as const satisfies Record<FailureCard["evidence"], string>;

export interface CardPlace {
  /** Address of the failed step's log; null when no step is to blame. */
  readonly logHref: string | null;
  /** What did not run because of this. */
  readonly consequences: readonly string[];
  /** Whose builds the card's numbers mean. */
  readonly repo?: string;
}

/** The failure card: why, where, and what to do, before anything else on the page. */
export function failureCard(card: FailureCard, { logHref, consequences, repo }: CardPlace): Html {
  const isOurs = card.kind === "network" || card.kind === "ours";
  const place =
    card.file === null ? null : `${card.file}${card.line === null ? "" : `:${card.line}`}`;
  return html`<section
    class="card ${isOurs ? "card-ours" : "card-theirs"}"
    id="failure"
    data-failure
    tabindex="-1"
    aria-labelledby="failure-title"
  >
    <p class="card-label">
      <span>${isOurs ? "Not your fault" : "First failure"}</span>
      ${card.step === null ? null : html`<span class="card-step">${said(card.step)}</span>`}
      <span class="faint">${WHOSE[card.kind]}</span>
      ${since(card, repo)}
      <code class="code">${card.code}</code>
    </p>
    <h2 id="failure-title">${said(card.title)}</h2>
    ${card.excerpt === "" ? null : html`<pre class="excerpt">${saidBlock(card.excerpt)}</pre>`}
    ${card.problems === null || card.problems === card.excerpt ? null : html`<pre class="excerpt">${saidBlock(card.problems)}</pre>`}
    ${card.hint === null ? null : html`<p class="hint"><b>To do:</b> ${said(card.hint)}</p>`}
    <p class="card-places">
      ${place === null ? null : html`<span class="place"><code>${said(place)}</code>${copyButton(place, "the place")}</span>`}
      ${logLink(card, logHref)} ${doubt(card)}
    </p>
    ${others(card, logHref)}
    ${consequences.length === 0 ? null : html`<p class="faint">Because of this, not run: ${consequences.map((name, index) => html`${index === 0 ? null : ", "}${said(name)}`)}.</p>`}
  </section>`;
}

function logLink(card: FailureCard, logHref: string | null): Html {
  if (logHref === null) return html``;
  const line = card.logLine;
  if (line === null) return html`<a class="button" href="${logHref}">Open the log</a>`;
  return html`<a class="button" href="${logHref}#L${line}">Log line ${count(line)}</a>`;
}

/** The build that broke it is where to look first. */
function since({ newSince }: FailureCard, repo: string | undefined): Html {
  if (newSince === null || newSince === undefined || repo === undefined) return html``;
  return html`<span
    >failing since <a href="${buildPath({ repo, number: newSince })}">#${newSince}</a></span
  >`;
}

const OTHERS_SHOWN_MAX = 5;

/** What else failed in this step; the log has the rest. */
function others({ also }: FailureCard, logHref: string | null): Html {
  if (!also || also.length === 0) return html``;
  const shown = also.slice(0, OTHERS_SHOWN_MAX).map(({ title, logLine }, index) => {
    const name =
      logHref === null || logLine === null
        ? said(title)
        : html`<a href="${logHref}#L${logLine}">${said(title)}</a>`;
    return html`${index === 0 ? null : " · "}${name}`;
  });
  const more = also.length - shown.length;
  return html`<p class="faint">Also: ${shown}${more === 0 ? null : ` and ${more} more`}</p>`;
}

/** A guess is called one. */
function doubt({ confidence, evidence }: FailureCard): Html {
  if (confidence === "high") return html``;
  const how = EVIDENCE[evidence];
  return html`<span class="faint">${confidence} confidence${how === "" ? "" : `: ${how}`}</span>`;
}
