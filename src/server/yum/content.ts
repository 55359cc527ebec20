import type { FilePart } from "../../yum/served-view.ts";

/** What one address answers: immutable bytes under a name of their own. */
export interface Content {
  readonly parts: readonly FilePart[];
  /** Names these bytes for ever. */
  readonly tag: string;
  readonly type: string;
  readonly caching: string;
}

export const IMMUTABLE = "public, max-age=31536000, immutable";
export const NO_CACHE = "no-cache";

const TYPES: readonly (readonly [string, string])[] = [
  [".gz", "application/gzip"],
  [".zst", "application/zstd"],
  [".xz", "application/x-xz"],
  [".asc", "application/pgp-signature"],
  [".xml", "text/xml"],
  [".rpm", "application/x-rpm"],
];

export function typeOf(fileName: string): string {
  return TYPES.find(([suffix]) => fileName.endsWith(suffix))?.[1] ?? "application/octet-stream";
}

/** Those runs of `parts` that lie in the given bytes of the whole; `end` is the first byte without. */
export function cutParts(
  parts: readonly FilePart[],
  start: number,
  end: number,
): readonly FilePart[] {
  let at = 0;
  return parts.flatMap((part) => {
    const from = Math.max(0, start - at);
    const to = Math.min(part.bytes, end - at);
    at += part.bytes;
    return from < to ? [{ path: part.path, start: part.start + from, bytes: to - from }] : [];
  });
}

export function sizeOf(parts: readonly FilePart[]): number {
  return parts.reduce((sum, part) => sum + part.bytes, 0);
}
