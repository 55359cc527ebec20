import { faviconFiles } from "../../src/server/pages/icons.ts";
import { documentOf } from "../../src/server/pages/layout.ts";
import type { Page, PageContext } from "../../src/server/pages/page.ts";

export const NOW = Date.parse("2026-11-21T20:00:00Z");

const icons = Object.fromEntries(faviconFiles().map(({ name }) => [name, `/assets/${name}.svg`]));

/** A signed-in reader of a server that idles. */
export function aContext(some: Partial<PageContext> = {}): PageContext {
  return {
    publicUrl: "https://ci.example.com",
    now: NOW,
    path: "/",
    theme: "auto",
    assets: { style: "/assets/a.css", script: "/assets/a.js", icons } as PageContext["assets"],
    visitor: "admin",
    counts: {
      jobsQueued: 0,
      jobsRunning: 0,
      publishesWaiting: 0,
      statusesWaiting: 0,
      oldestQueuedAt: null,
      parkedForges: [],
      refusedStatuses: null,
      stuckPublishes: null,
      stuckStatuses: null,
      liveWorkers: 1,
      troubles: [],
    },
    problems: [],
    ...some,
  };
}

/** The whole document. */
export function draw(page: Page, context = aContext()): string {
  return documentOf(page, context, "v1");
}
