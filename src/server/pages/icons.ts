import type { State } from "../../domain/states.ts";
import { Html, html } from "./html.ts";

/** One drawing per state, on a field of 16 by 16; none needs its colour to be told apart. */
export const STATE_SHAPES = {
  queued:
    '<circle cx="8" cy="8" r="6.25" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M8 4.5V8l2.5 1.6" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"/>',
  running:
    '<circle cx="8" cy="8" r="6.25" fill="none" stroke="currentColor" stroke-width="1.5" opacity=".35"/><g class="orbit"><circle cx="8" cy="1.75" r="1.75" fill="currentColor"/></g><circle cx="8" cy="8" r="2.5" fill="currentColor"/>',
  passed:
    '<path fill="currentColor" d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm3.7 5.4-4.4 4.9a.9.9 0 0 1-1.3 0L4.2 9.5a.8.8 0 1 1 1.1-1.1l1.3 1.2 3.9-4.3a.8.8 0 1 1 1.2 1.1Z"/>',
  failed:
    '<path fill="currentColor" d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm2.9 8.8a.8.8 0 1 1-1.1 1.1L8 9.1l-1.8 1.8a.8.8 0 1 1-1.1-1.1L6.9 8 5.1 6.2a.8.8 0 1 1 1.1-1.1L8 6.9l1.8-1.8a.8.8 0 1 1 1.1 1.1L9.1 8l1.8 1.8Z"/>',
  errored:
    '<path fill="currentColor" d="M6.8 2a1.4 1.4 0 0 1 2.4 0l5.6 10a1.4 1.4 0 0 1-1.2 2H2.4a1.4 1.4 0 0 1-1.2-2L6.8 2Zm.45 3.9.2 3.6a.55.55 0 0 0 1.1 0l.2-3.6a.75.75 0 0 0-1.5 0ZM8 12.4a.9.9 0 1 0 0-1.8.9.9 0 0 0 0 1.8Z"/>',
  cancelled:
    '<rect x="1.75" y="1.75" width="12.5" height="12.5" rx="3" fill="none" stroke="currentColor" stroke-width="1.5"/><rect x="5.25" y="5.25" width="5.5" height="5.5" rx="1" fill="currentColor"/>',
  skipped:
    '<circle cx="8" cy="8" r="6.25" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M5.25 8h5.5" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"/>',
} as const satisfies Record<State, string>;

/** The furnace: three flames over a hearth. */
const BRAND =
  '<path fill="currentColor" d="M8 1c.5 2.2 3.6 3.7 3.6 7A3.6 3.6 0 0 1 8 11.6 3.6 3.6 0 0 1 4.4 8c0-1.6.7-2.7 1.5-3.7.2 1 .6 1.6 1.2 1.9C6.9 4.3 7.2 2.5 8 1Z"/><path fill="currentColor" d="M2 13.2h12a.9.9 0 0 1 0 1.8H2a.9.9 0 0 1 0-1.8Z"/>';

/** An icon beside its word; hidden from screen readers, since the word says it. */
export function stateIcon(state: State): Html {
  return drawing(`icon icon-${state}`, STATE_SHAPES[state]);
}

export function brandIcon(): Html {
  return drawing("icon brand-icon", BRAND);
}

/** Icon + word + colour. */
export function stateWord(state: State, word: string = state): Html {
  return html`<span class="state s-${state}">${stateIcon(state)}<span>${word}</span></span>`;
}

/** The mark in titles, where no icon can be drawn. */
export const STATE_MARKS = {
  queued: "○",
  running: "●",
  passed: "✓",
  failed: "✗",
  errored: "▲",
  cancelled: "■",
  skipped: "–",
} as const satisfies Record<State, string>;

function drawing(classes: string, shapes: string): Html {
  return new Html(
    `<svg class="${classes}" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">${shapes}</svg>`,
  );
}

/** Colours of the favicon: the dark theme's, which can be told on light tabs too. */
const FAVICON_COLOURS = {
  queued: "#8a94a0",
  running: "#3b8eea",
  passed: "#2ea043",
  failed: "#e5484d",
  errored: "#a371f7",
  cancelled: "#8a94a0",
  skipped: "#8a94a0",
  none: "#f0883e",
} as const satisfies Record<State | "none", string>;

export type Favicon = State | "none";

/** One small picture per state, as a file of its own. */
export function faviconFiles(): readonly { readonly name: Favicon; readonly svg: string }[] {
  return (Object.keys(FAVICON_COLOURS) as Favicon[]).map((name) => {
    const shapes = name === "none" ? BRAND : STATE_SHAPES[name];
    const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" color="${FAVICON_COLOURS[name]}">`;
    return { name, svg: `${head}${shapes}</svg>` };
  });
}
