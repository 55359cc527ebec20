import { CHANNELS } from "../../domain/channel.ts";
import {
  channelSettings,
  DEFAULT_CHANNEL_SETTINGS,
  type ChannelSettings,
} from "../../shared/channel-settings.ts";
import { inChunks } from "./chunks.ts";
import type { ChannelRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

/** Channels that exist on every server. */
export async function ensureChannels(tx: Tx): Promise<void> {
  for (const name of CHANNELS) await insertChannel(tx, { name });
}

export async function channelNames(tx: Pick<Reader, "db">): Promise<readonly string[]> {
  const rows = await tx.db.selectFrom("channels").select("name").orderBy("name").execute();
  return rows.map(({ name }) => name);
}

/** Names of those whose time is over. */
export async function expiredChannels({ db, now }: Reader): Promise<readonly string[]> {
  const query = db.selectFrom("channels").select("name").where("expiresAt", "<=", now());
  return (await query.orderBy("name").execute()).map(({ name }) => name);
}

export interface Channel extends Omit<ChannelRow, "settingsJson"> {
  readonly settings: ChannelSettings;
}

/** As they are stored: every key has a value. */
export function settingsOf({ settingsJson }: Pick<ChannelRow, "settingsJson">): ChannelSettings {
  return channelSettings.parse(JSON.parse(settingsJson));
}

export async function findChannel(
  tx: Pick<Reader, "db">,
  name: string,
): Promise<Channel | undefined> {
  return (await findChannels(tx, [name])).get(name);
}

/** By name; those that do not exist are missing. */
export async function findChannels(
  { db }: Pick<Reader, "db">,
  names: Iterable<string>,
): Promise<ReadonlyMap<string, Channel>> {
  const rows = await inChunks(names, (some) =>
    db.selectFrom("channels").selectAll().where("name", "in", some).execute(),
  );
  return new Map(
    rows.map(({ settingsJson, ...row }) => [
      row.name,
      { ...row, settings: settingsOf({ settingsJson }) },
    ]),
  );
}

/**
 * Makes a channel; false when the name is taken. With a parent it lists what the parent's generation
 * lists once a `restore` of that generation is live. A child cannot have children of its own.
 */
export async function insertChannel(
  tx: Tx,
  wish: {
    readonly name: string;
    readonly settings?: ChannelSettings;
    readonly parent?: { readonly name: string; readonly number: number };
    readonly expiresAt?: number;
  },
): Promise<boolean> {
  const { name, parent } = wish;
  if (parent !== undefined && (await findChannel(tx, parent.name))?.parent !== null) {
    throw new Error(`Channel ${parent.name} is missing, or a child itself.`);
  }
  const { numInsertedOrUpdatedRows: inserted } = await tx.db
    .insertInto("channels")
    .values({
      name,
      head: 0,
      updatedAt: tx.now(),
      createdAt: tx.now(),
      parent: parent?.name ?? null,
      parentGeneration: parent?.number ?? null,
      expiresAt: wish.expiresAt ?? null,
      settingsJson: JSON.stringify(wish.settings ?? DEFAULT_CHANNEL_SETTINGS),
    })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .executeTakeFirst();
  tx.channelsChanged();
  return inserted === 1n;
}

/** False: there is no such channel. */
export async function updateSettings(
  tx: Tx,
  name: string,
  change: { readonly settings?: ChannelSettings; readonly expiresAt?: number | null },
): Promise<boolean> {
  const { settings, expiresAt } = change;
  const { numUpdatedRows } = await tx.db
    .updateTable("channels")
    .set({
      name,
      ...(settings === undefined ? {} : { settingsJson: JSON.stringify(settings) }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    })
    .where("name", "=", name)
    .executeTakeFirst();
  tx.channelsChanged();
  return numUpdatedRows > 0n;
}

export interface ChannelHead {
  readonly head: number;
  /** Served name → the newest generation that changed it. */
  readonly targets: Readonly<Record<string, number>>;
  readonly settings: ChannelSettings;
  /** When the head went live; the channel's own birth while it has none. */
  readonly createdAt: number;
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
    .select([
      "channels.head",
      "channels.settingsJson",
      "channels.createdAt as channelCreatedAt",
      "generations.targetsJson",
      "generations.createdAt",
    ])
    .where("channels.name", "=", name)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    head: row.head,
    targets: JSON.parse(row.targetsJson ?? "{}") as Record<string, number>,
    settings: settingsOf(row),
    createdAt: row.createdAt ?? row.channelCreatedAt,
  };
}
