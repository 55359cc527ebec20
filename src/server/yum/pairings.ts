/**
 * Which generation's index a client was last given, so that it gets the signature that fits. libzypp
 * 17.25 does it the other way round: headers of the index, signature, index.
 */
export interface Pairings {
  /** The client gets this generation's index. */
  remember(client: string, generation: number): void;
  /** It gets the headers of that index, which begin a fetch. */
  begin(client: string, generation: number): void;
  /** For its signature. Undefined when the index was too long ago to be the same fetch. */
  find(client: string): number | undefined;
  /** For its index: the generation whose signature it has got since the fetch began. */
  signed(client: string): number | undefined;
}

interface Pairing {
  readonly generation: number;
  readonly untilMs: number;
  readonly got: "headers" | "signature" | "index";
}

const PAIRED_MS = 60_000;
const CLIENTS_MAX = 10_000;

export function pairings(nowMs: () => number = () => performance.now()): Pairings {
  const known = new Map<string, Pairing>();
  const set = (client: string, generation: number, got: Pairing["got"]): void => {
    // Asked again, a client moves to the end: the one that was away longest goes first.
    known.delete(client);
    known.set(client, { generation, untilMs: nowMs() + PAIRED_MS, got });
    const oldest = known.keys().next().value;
    if (known.size > CLIENTS_MAX && oldest !== undefined) known.delete(oldest);
  };
  const recent = (client: string): Pairing | undefined => {
    const found = known.get(client);
    return found && nowMs() <= found.untilMs ? found : undefined;
  };
  return {
    remember: (client, generation) => set(client, generation, "index"),
    begin: (client, generation) => set(client, generation, "headers"),
    find: (client) => {
      const found = recent(client);
      if (found?.got === "headers") set(client, found.generation, "signature");
      return found?.generation;
    },
    signed: (client) => {
      const found = recent(client);
      return found?.got === "signature" ? found.generation : undefined;
    },
  };
}
