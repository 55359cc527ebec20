/**
 * Packages of the pool that a publish under way is going to list. They may be older than any grace,
 * and no generation names them yet: a sweep must leave them.
 */
export interface HeldPackages {
  hold(publishId: string, sha256: string): void;
  release(publishId: string): void;
  has(sha256: string): boolean;
}

export function heldPackages(): HeldPackages {
  const held = new Map<string, Set<string>>();
  return {
    hold: (publishId, sha256) => {
      const all = held.get(publishId) ?? new Set();
      held.set(publishId, all.add(sha256));
    },
    release: (publishId) => void held.delete(publishId),
    has: (sha256) => [...held.values()].some((all) => all.has(sha256)),
  };
}
