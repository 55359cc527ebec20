import { ago, duration } from "../assets/times.ts";
import { html, type Html } from "./html.ts";

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

/** `1.9 GiB`, as limits of containers are written. */
export function memory(size: number): string {
  const mebibytes = size / 1024 ** 2;
  if (mebibytes < 1_000) return `${mebibytes.toFixed(mebibytes < 9.95 ? 1 : 0)} MiB`;
  return `${(mebibytes / 1024).toFixed(1).replace(/\.0$/, "")} GiB`;
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
  return (
    hex
      .toUpperCase()
      .match(/.{1,4}/g)
      ?.join(" ") ?? hex
  );
}
