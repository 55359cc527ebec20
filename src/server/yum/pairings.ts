/** Which generation's index a client was last given, so that it gets the signature that fits. */
export interface Pairings {
  remember(client: string, generation: number): void;
  /** Undefined when it was too long ago to be the same fetch. */
  find(client: string): number | undefined;
}

const PAIRED_MS = 60_000;
const CLIENTS_MAX = 10_000;

export function pairings(nowMs: () => number = () => performance.now()): Pairings {
  const known = new Map<string, { readonly generation: number; readonly untilMs: number }>();
  return {
    remember: (client, generation) => {
      // Asked again, a client moves to the end: the one that was away longest goes first.
      known.delete(client);
      known.set(client, { generation, untilMs: nowMs() + PAIRED_MS });
      const oldest = known.keys().next().value;
      if (known.size > CLIENTS_MAX && oldest !== undefined) known.delete(oldest);
    },
    find: (client) => {
      const found = known.get(client);
      return found && nowMs() <= found.untilMs ? found.generation : undefined;
    },
  };
}
