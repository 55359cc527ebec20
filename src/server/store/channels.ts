import { CHANNELS } from "../../domain/channel.ts";
import type { Reader, Tx } from "./store.ts";

/** Channels that exist on every server. */
export async function ensureChannels(tx: Tx): Promise<void> {
  for (const name of CHANNELS) {
    await tx.db
      .insertInto("channels")
      .values({ name, head: 0, updatedAt: tx.now() })
      .onConflict((conflict) => conflict.column("name").doNothing())
      .execute();
  }
}

export async function channelNames(tx: Pick<Reader, "db">): Promise<readonly string[]> {
  const rows = await tx.db.selectFrom("channels").select("name").orderBy("name").execute();
  return rows.map(({ name }) => name);
}

export interface ChannelHead {
  readonly head: number;
  /** target → the newest generation that changed it. */
  readonly targets: Readonly<Record<string, number>>;
}

/** Where a channel points now; undefined when there is no such channel. */
export async function channelHead(
  tx: Pick<Reader, "db">,
  name: string,
): Promise<ChannelHead | undefined> {
  const row = await tx.db
    .selectFrom("channels")
    .leftJoin("generations", (join) =>
      join
        .onRef("generations.channel", "=", "channels.name")
        .onRef("generations.number", "=", "channels.head"),
    )
    .select(["channels.head", "generations.targetsJson"])
    .where("channels.name", "=", name)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const targets =
    row.targetsJson === null ? {} : (JSON.parse(row.targetsJson) as Record<string, number>);
  return { head: row.head, targets };
}
