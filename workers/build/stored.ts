/**
 * Something on a disk of ours that a later job may want, and that may go at any time when none does:
 * an image, an archive of a cache, a mirror.
 */
export interface Stored {
  readonly kind: "image" | "cache" | "mirror";
  readonly name: string;
  /** When a job used it last, epoch milliseconds. */
  readonly usedAt: number;
  /** What it consists of; a part that others have too is freed with the last of them. */
  readonly parts: readonly { readonly id: string; readonly bytes: number }[];
  remove(signal: AbortSignal): Promise<void>;
}

export function bytesOf(stored: readonly Stored[]): number {
  const parts = new Map(
    stored.flatMap(({ parts: all }) => all.map(({ id, bytes }) => [id, bytes])),
  );
  return [...parts.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/**
 * What must go, least recently used first, so that the rest has no more than `bytesMax`. Nothing that
 * was used at `usedBefore` or later: a job of now may have it.
 */
export function leastUsed(
  stored: readonly Stored[],
  { bytesMax, usedBefore }: { readonly bytesMax: number; readonly usedBefore: number },
): readonly Stored[] {
  const users = Map.groupBy(
    stored.flatMap(({ parts }) => parts),
    ({ id }) => id,
  );
  const counts = new Map([...users].map(([id, parts]) => [id, parts.length]));
  let bytes = bytesOf(stored);
  const chosen: Stored[] = [];
  for (const one of stored.toSorted((a, b) => a.usedAt - b.usedAt)) {
    if (bytes <= bytesMax || one.usedAt >= usedBefore) break;
    chosen.push(one);
    for (const { id, bytes: part } of one.parts) {
      const left = (counts.get(id) ?? 1) - 1;
      counts.set(id, left);
      if (left === 0) bytes -= part;
    }
  }
  return chosen;
}
