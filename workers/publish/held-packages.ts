/**
 * Packages of the pool that a publish under way is going to list. They may be older than any grace,
 * and no generation names them yet: a sweep must leave them.
 */
export interface HeldPackages {
  /** One attempt's own: a later one of the same publish may hold the same while this one ends. */
  open(): Hold;
  has(sha256: string): boolean;
}

export interface Hold {
  add(sha256: string): void;
  release(): void;
}

export function heldPackages(): HeldPackages {
  const holds = new Set<ReadonlySet<string>>();
  return {
    open: () => {
      const held = new Set<string>();
      holds.add(held);
      return { add: (sha256) => void held.add(sha256), release: () => void holds.delete(held) };
    },
    has: (sha256) => [...holds].some((held) => held.has(sha256)),
  };
}
