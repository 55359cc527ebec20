import type { Evr } from "./rpm-version.ts";

/**
 * A text that sorts as rpm sorts versions: of two packages the newer one has the greater key, byte by
 * byte. Databases can then find the newest of thousands by an index. Equal keys mean equal versions
 * to rpm (`1.0` and `1_0`).
 */
export function evrKey({ epoch, version, release }: Evr): string {
  return `${digitsKey(String(epoch))}${versionKey(version)}${versionKey(release)}`;
}

/** `~` < the end < `^` < letters < numbers, as `compareRpmVersions` ranks them. */
const END = "1";
const SIGNS: Readonly<Record<string, string>> = { "~": "0", "^": "2" };

function versionKey(version: string): string {
  const segments = version.match(/\d+|[A-Za-z]+|[~^]/g) ?? [];
  return segments.map(segmentKey).join("") + END;
}

function segmentKey(segment: string): string {
  const sign = SIGNS[segment];
  if (sign !== undefined) return sign;
  // The mark after letters is below every letter, so that `a` sorts before `ab`.
  return /^\d/.test(segment) ? `4${digitsKey(segment)}` : `3${segment}!`;
}

/** The count of digits first: a longer number is the greater. Versions have at most 256 characters. */
function digitsKey(digits: string): string {
  const significant = digits.replace(/^0+/, "");
  return String(significant.length).padStart(3, "0") + significant;
}
