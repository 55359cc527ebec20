import { Idiomorph } from "idiomorph";
import { refresh } from "./clock.ts";
import { LogView } from "./log-view.ts";
import { parseMarkup } from "./markup.ts";

const FRAGMENT_TYPE = "application/vnd.tatara.fragment";
const POLL_MS = 10_000;
/** A tab in the background gives its connection back: browsers have six per server. */
const HIDE_AFTER_MS = 5_000;
const LOST_TICK_MS = 1_000;

/** What the page shows, as the server names it; so nothing is sent that is here already. */
let version = document.documentElement.dataset["version"] ?? "";
let source: EventSource | undefined;
let heardAt = Date.now();
let isLost = false;

/** Keeps the page as the server would draw it now, by events; by asking where those fail. */
export function keepLive(): void {
  if (version === "") return;
  listen();
  setInterval(() => {
    if (source === undefined) void poll();
  }, POLL_MS);
  setInterval(showLost, LOST_TICK_MS);
  document.addEventListener("visibilitychange", onVisibility);
  window.addEventListener("pagehide", hangUp);
  window.addEventListener("pageshow", () => {
    if (source === undefined) listen();
  });
}

function listen(): void {
  source = new EventSource(addressWith(version));
  source.addEventListener("open", () => heard());
  source.addEventListener("page", (event) => {
    heard();
    version = event.lastEventId;
    show(String(event.data));
  });
  source.addEventListener("log", (event) => {
    heard();
    const { job, attempt, step } = JSON.parse(String(event.data)) as Record<string, unknown>;
    logView()?.grew(`${String(job)} ${String(attempt)} ${String(step)}`);
  });
  source.addEventListener("error", () => {
    isLost = true;
    // The browser tries again by itself unless it was refused: then we ask now and then.
    if (source?.readyState === EventSource.CLOSED) hangUp();
  });
}

function hangUp(): void {
  source?.close();
  source = undefined;
}

async function poll(): Promise<void> {
  try {
    const response = await fetch(addressWith(version), { headers: { Accept: FRAGMENT_TYPE } });
    if (response.status === 401) return location.reload();
    if (!response.ok) return void (isLost = true);
    const isRecovered = isLost;
    heard();
    if (response.status === 200) {
      version = response.headers.get("Tatara-Version") ?? version;
      show(await response.text());
    }
    logView()?.look();
    if (isRecovered && !document.hidden) listen();
  } catch {
    isLost = true; // Said by `showLost`; the next poll tries again.
  }
}

let hiding: ReturnType<typeof setTimeout> | undefined;

function onVisibility(): void {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = setTimeout(hangUp, HIDE_AFTER_MS);
  } else if (source === undefined) {
    listen();
    logView()?.look();
  }
}

function heard(): void {
  heardAt = Date.now();
  isLost = false;
  showLost();
}

function showLost(): void {
  const line = document.querySelector<HTMLElement>(".lost");
  if (line === null) return;
  line.hidden = !isLost;
  const seconds = Math.round((Date.now() - heardAt) / 1_000);
  if (isLost) line.textContent = `Reconnecting; last update ${seconds} s ago.`;
}

/** Morphs the page into what the server drew, keeping what the reader did to it. */
function show(markup: string): void {
  const next = parseMarkup(markup).firstElementChild;
  const page = document.querySelector("#page");
  if (next === null || page === null) return;
  void Idiomorph.morph(page, next, {
    morphStyle: "outerHTML",
    ignoreActiveValue: true,
    callbacks: {
      beforeNodeMorphed: (old, fresh) => {
        if (!(old instanceof LogView) || !(fresh instanceof Element)) return true;
        old.offer(fresh);
        return false;
      },
      // Whether details are open is the reader's business.
      beforeAttributeUpdated: (name, element) =>
        !(name === "open" && element instanceof HTMLDetailsElement),
    },
  });
  announce(next);
  refresh();
}

function announce(next: Element): void {
  const title = next.getAttribute("data-title") ?? document.title;
  const icon = next.getAttribute("data-icon");
  if (icon !== null) document.querySelector('link[rel="icon"]')?.setAttribute("href", icon);
  if (title === document.title) return;
  document.title = title;
  const line = document.querySelector("[data-announce]");
  if (line !== null) line.textContent = title;
}

function logView(): LogView | undefined {
  const view = document.querySelector("log-view");
  return view instanceof LogView ? view : undefined;
}

function addressWith(have: string): string {
  const address = new URL(location.href);
  address.hash = "";
  address.searchParams.set("_have", have);
  return address.href;
}
