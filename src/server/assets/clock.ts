import { ago, duration } from "./times.ts";

const TICK_MS = 1_000;

/** Server's clock minus ours: ages are counted by the clock that wrote them. */
let skewMs = 0;

export function serverNow(): number {
  return Date.now() + skewMs;
}

/** Keeps times, durations and bars of what runs up to date. */
export function tick(): void {
  const at = Number(document.documentElement.dataset["now"]);
  const loadedAt =
    performance.timeOrigin + performance.getEntriesByType("navigation").reduce(responseAt, 0);
  if (at > 0) skewMs = at - loadedAt;
  refresh();
  setInterval(() => {
    if (!document.hidden) refresh();
  }, TICK_MS);
}

function responseAt(latest: number, entry: PerformanceEntry): number {
  return entry instanceof PerformanceNavigationTiming ? entry.responseStart : latest;
}

export function refresh(): void {
  const now = serverNow();
  for (const time of document.querySelectorAll<HTMLElement>("[data-ago]")) {
    setText(time, ago(Number(time.dataset["ago"]), now));
  }
  for (const span of document.querySelectorAll<HTMLElement>("[data-since]")) {
    setText(span, duration(now - Number(span.dataset["since"])));
  }
  if (document.querySelector("[data-open-bar]") !== null) stretchBars(now);
}

/** While something runs, all bars share a span that grows. */
function stretchBars(now: number): void {
  for (const drawing of document.querySelectorAll<SVGElement>("svg.span")) {
    const from = Number(drawing.dataset["from"]);
    const start = Number(drawing.dataset["start"]);
    const end = drawing.dataset["end"] === "" ? now : Number(drawing.dataset["end"]);
    const scale = 1_000 / Math.max(1, now - from);
    const bar = drawing.querySelector("rect");
    bar?.setAttribute("x", String(Math.min(996, (start - from) * scale)));
    bar?.setAttribute("width", String(Math.max(4, (end - start) * scale)));
  }
}

function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
