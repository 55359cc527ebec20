import { settingsOf } from "./channels.ts";
import type { Store } from "./store.ts";

/** Where a channel points, as the yum routes need it. */
export interface ServedChannel {
  readonly head: number;
  /** Served name → the newest generation that changed it. */
  readonly targets: Readonly<Record<string, number>>;
  readonly metadataExpireSeconds: number | null;
}

/** What hosts are served now. Read from the database once for each change of channels, not per request. */
export interface Served {
  channel(name: string): Promise<ServedChannel | undefined>;
  /** Whether downloads of the signed file with this digest are answered 410. */
  refused(sha256: string): Promise<boolean>;
}

/** Names that somebody made up cost a look into the database, and are not remembered. */
export function openServed(store: Store): Served {
  const current = perVersion(store);
  return {
    channel: async (name) => {
      const { channels } = current();
      const known = channels.get(name);
      if (known !== undefined) return known;
      const found = await readChannel(store, name);
      if (found !== undefined) channels.set(name, found);
      return found;
    },
    refused: async (sha256) => {
      const known = current();
      known.refused ??= readRefused(store).catch((err: unknown) => {
        known.refused = undefined;
        throw err;
      });
      return (await known.refused).has(sha256);
    },
  };
}

interface Known {
  readonly version: number;
  readonly channels: Map<string, ServedChannel>;
  refused: Promise<ReadonlySet<string>> | undefined;
}

/** What was read since the last change. A reading that a change overtakes lands in the old one. */
function perVersion(store: Store): () => Known {
  const empty = (): Known => ({
    version: store.channelsVersion(),
    channels: new Map(),
    refused: undefined,
  });
  let known = empty();
  return () => {
    if (known.version !== store.channelsVersion()) known = empty();
    return known;
  };
}

async function readChannel({ db }: Store, name: string): Promise<ServedChannel | undefined> {
  const row = await db
    .selectFrom("channels")
    .leftJoin("generations", (join) =>
      join
        .onRef("generations.channel", "=", "channels.name")
        .onRef("generations.number", "=", "channels.head"),
    )
    .select(["channels.head", "channels.settingsJson", "generations.targetsJson"])
    .where("channels.name", "=", name)
    .executeTakeFirst();
  return (
    row && {
      head: row.head,
      targets: JSON.parse(row.targetsJson ?? "{}") as Record<string, number>,
      metadataExpireSeconds: settingsOf(row).metadataExpireSeconds,
    }
  );
}

/** Only what is yanked can be refused, and there is an index of that. */
async function readRefused({ db }: Store): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom("packages")
    .select("signedSha256")
    .where("yankedAt", "is not", null)
    .where("refusedAt", "is not", null)
    .execute();
  return new Set(rows.map(({ signedSha256 }) => signedSha256));
}
