export const BACKOFF_MIN_MS = 1_000;
export const BACKOFF_MAX_MS = 300_000;

/**
 * How long to wait after `tries` tries that failed: full jitter between one second and a ceiling
 * that doubles up to five minutes, so that a forge that comes back is not met by all at once.
 * `random` is from [0, 1).
 */
export function backoffMs(tries: number, random: number): number {
  const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.max(1, tries));
  return Math.round(BACKOFF_MIN_MS + random * (ceilingMs - BACKOFF_MIN_MS));
}
