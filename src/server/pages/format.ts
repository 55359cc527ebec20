import { html, type Html } from "./html.ts";

/** `3.4s`, `1m 51s`, `2h 05m`: as short as it can be told apart. */
export function duration(ms: number): string {
  if (ms < 950) return `${Math.max(0, Math.round(ms))}ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${pad(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h ${pad(minutes % 60)}m` : `${Math.floor(hours / 24)}d`;
}

/** `just now`, `5 min ago`, `yesterday`, and the date for what is older than a month. */
export function ago(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1_000));
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  if (seconds < 2 * 86_400) return "yesterday";
  if (seconds < 30 * 86_400) return `${Math.floor(seconds / 86_400)} days ago`;
  return new Date(at).toISOString().slice(0, 10);
}

/** A relative time; the exact one on hover and focus. The browser keeps it up to date. */
export function timeAgo(at: number, now: number): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}" title="${exact(at)}" data-ago="${at}">${ago(at, now)}</time>`;
}

/** How long something took, or has taken so far: then the browser counts on. */
export function elapsed(startedAt: number | null, endedAt: number | null, now: number): Html {
  if (startedAt === null) return html``;
  if (endedAt !== null) return html`<span class="num">${duration(endedAt - startedAt)}</span>`;
  return html`<span class="num" data-since="${startedAt}">${duration(now - startedAt)}</span>`;
}

export function exact(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export function bytes(size: number): string {
  if (size < 1_000) return `${size} B`;
  if (size < 999_500) return `${(size / 1_000).toFixed(size < 9_950 ? 1 : 0)} kB`;
  return `${(size / 1_000_000).toFixed(size < 9_950_000 ? 1 : 0)} MB`;
}

/** `48,120`. */
export function count(number: number): string {
  return number.toLocaleString("en-US");
}

export function plural(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** `4F2A 91C0 … 77B3`, as people compare it. */
export function fingerprint(hex: string): string {
  return hex.toUpperCase().match(/.{1,4}/g)?.join(" ") ?? hex;
}

function pad(number: number): string {
  return String(number).padStart(2, "0");
}
