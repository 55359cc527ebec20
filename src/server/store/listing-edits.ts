import { sql } from "kysely";
import { chunked } from "./chunks.ts";
import { inheritedRows, isSince, lineageOf, listed, type Lineage } from "./listings.ts";
import type { Tx } from "./store.ts";

/** A generation that is being made live. */
export interface ListingPlace {
  readonly channel: Lineage;
  readonly number: number;
}

const COLUMNS = [
  "channel",
  "target",
  "nevra",
  "name",
  "arch",
  "evrKey",
  "sinceGeneration",
  "untilGeneration",
] as const;

/** Lists packages, which have rows already, in a target from this generation on. */
export async function listPackages(
  tx: Tx,
  place: ListingPlace,
  target: string,
  nevras: Iterable<string>,
): Promise<void> {
  const { channel, number } = place;
  for (const some of chunked(nevras)) {
    // Removed by an earlier edit of this very generation.
    await tx.db
      .updateTable("listings")
      .set({ untilGeneration: null })
      .where("channel", "=", channel.name)
      .where("target", "=", target)
      .where("nevra", "in", some)
      .where("untilGeneration", "=", number)
      .execute();
    await tx.db
      .insertInto("listings")
      .columns(COLUMNS)
      .expression(
        tx.db
          .selectFrom("packages")
          .select([
            sql<string>`cast(${channel.name} as text)`.as("channel"),
            sql<string>`cast(${target} as text)`.as("target"),
            "nevra",
            "name",
            "arch",
            "evrKey",
            sql<number>`cast(${number} as integer)`.as("sinceGeneration"),
            sql<null>`null`.as("untilGeneration"),
          ])
          .where("nevra", "in", some)
          .where("nevra", "not in", nevrasListed(tx, channel, target)(some)),
      )
      .execute();
  }
}

function nevrasListed(tx: Tx, channel: Lineage, target: string) {
  return (some: readonly string[]) =>
    tx.db
      .selectFrom(listed(tx.db, channel, undefined).as("listed"))
      .select("listed.nevra")
      .where("listed.target", "=", target)
      .where("listed.nevra", "in", some);
}

/** Lists packages in a target no more from this generation on. */
export async function unlistPackages(
  tx: Tx,
  place: ListingPlace,
  target: string,
  nevras: Iterable<string>,
): Promise<void> {
  const { channel, number } = place;
  for (const some of chunked(nevras)) {
    // Listed by an earlier edit of this very generation: nobody has seen it.
    await tx.db
      .deleteFrom("listings")
      .where("channel", "=", channel.name)
      .where("target", "=", target)
      .where("nevra", "in", some)
      .where("sinceGeneration", "=", number)
      .execute();
    await closeInherited(tx, place, (rows) =>
      rows.where("inherited.target", "=", target).where("inherited.nevra", "in", some),
    );
    await tx.db
      .updateTable("listings")
      .set({ untilGeneration: number })
      .where("channel", "=", channel.name)
      .where("target", "=", target)
      .where("nevra", "in", some)
      .where("untilGeneration", "is", null)
      .execute();
  }
}

/** The channel lists what `from` lists, and nothing else. */
export async function restoreListing(
  tx: Tx,
  place: ListingPlace,
  from: { readonly channel: string; readonly number: number },
): Promise<void> {
  const { channel } = place;
  if (from.channel === channel.name) return await restoreOwn(tx, place, from.number);
  // A new child lists what its parent lists without a row of its own.
  const isFork = channel.parent === from.channel && channel.parentGeneration === from.number;
  if (isFork && (await hasNoRows(tx, channel.name))) return;
  const source = await lineageOf(tx, from.channel);
  if (source === undefined) throw new Error(`Channel ${from.channel} is not there any more.`);
  await restoreOther(tx, place, { lineage: source, number: from.number });
}

async function hasNoRows(tx: Tx, channel: string): Promise<boolean> {
  const row = await tx.db
    .selectFrom("listings")
    .select("nevra")
    .where("channel", "=", channel)
    .limit(1)
    .executeTakeFirst();
  return row === undefined;
}

/** Touches only what has changed since: what a child inherits and never touched stays as it is. */
async function restoreOwn(tx: Tx, { channel, number }: ListingPlace, to: number): Promise<void> {
  const { name } = channel;
  await tx.db
    .deleteFrom("listings")
    .where("channel", "=", name)
    .where("sinceGeneration", "=", number)
    .execute();
  await tx.db
    .updateTable("listings")
    .set({ untilGeneration: number })
    .where("channel", "=", name)
    // Open ones; said so, it is the index of starts that answers.
    .where(({ eb, fn, val }) => eb(fn.coalesce("untilGeneration", val(0)), "=", 0))
    .where("sinceGeneration", ">", to)
    .execute();
  await tx.db
    .insertInto("listings")
    .columns(COLUMNS)
    .expression(
      tx.db
        .selectFrom("listings")
        .select([
          "channel",
          "target",
          "nevra",
          "name",
          "arch",
          "evrKey",
          sql<number>`cast(${number} as integer)`.as("sinceGeneration"),
          sql<null>`null`.as("untilGeneration"),
        ])
        .where("channel", "=", name)
        .where("untilGeneration", ">", to)
        .where(isSince(to)),
    )
    .execute();
}

/**
 * The whole difference, worked out by the database. As differences of sets: `not in` would look
 * through all of one side for each row of the other.
 */
async function restoreOther(
  tx: Tx,
  place: ListingPlace,
  source: { readonly lineage: Lineage; readonly number: number },
): Promise<void> {
  const { channel, number } = place;
  const wanted = () =>
    tx.db
      .selectFrom(listed(tx.db, source.lineage, source.number).as("wanted"))
      .select(["wanted.target", "wanted.nevra"]);
  const present = () =>
    tx.db
      .selectFrom(listed(tx.db, channel, undefined).as("present"))
      .select(["present.target", "present.nevra"]);
  const gone = () => present().except(wanted()).$asTuple("target", "nevra");
  await closeInherited(tx, place, (rows) =>
    rows.where(({ eb, refTuple }) =>
      eb(refTuple("inherited.target", "inherited.nevra"), "in", gone()),
    ),
  );
  // Listed by an earlier edit of this very generation: nobody has seen it.
  await tx.db
    .deleteFrom("listings")
    .where("channel", "=", channel.name)
    .where("sinceGeneration", "=", number)
    .where(({ eb, refTuple }) => eb(refTuple("target", "nevra"), "in", gone()))
    .execute();
  await tx.db
    .updateTable("listings")
    .set({ untilGeneration: number })
    .where("channel", "=", channel.name)
    .where("untilGeneration", "is", null)
    .where(({ eb, refTuple }) => eb(refTuple("target", "nevra"), "in", gone()))
    .execute();
  const fresh = wanted().except(present()).$asTuple("target", "nevra");
  await tx.db
    .insertInto("listings")
    .columns(COLUMNS)
    .expression(
      tx.db
        .selectFrom(listed(tx.db, source.lineage, source.number).as("source"))
        .select([
          sql<string>`cast(${channel.name} as text)`.as("channel"),
          "source.target",
          "source.nevra",
          "source.name",
          "source.arch",
          "source.evrKey",
          sql<number>`cast(${number} as integer)`.as("sinceGeneration"),
          sql<null>`null`.as("untilGeneration"),
        ])
        .where(({ eb, refTuple }) => eb(refTuple("source.target", "source.nevra"), "in", fresh)),
    )
    .execute();
}

/** What a child began with and loses gets a row that says so. */
async function closeInherited(
  tx: Tx,
  { channel, number }: ListingPlace,
  which: (rows: ReturnType<typeof inheritedFor>) => ReturnType<typeof inheritedFor>,
): Promise<void> {
  const { name, parent, parentGeneration } = channel;
  if (parent === null || parentGeneration === null) return;
  const child = { name, parent, parentGeneration };
  await tx.db
    .insertInto("listings")
    .columns(COLUMNS)
    .expression(which(inheritedFor(tx, child, number)))
    .execute();
}

function inheritedFor(tx: Tx, child: Parameters<typeof inheritedRows>[1], number: number) {
  return tx.db
    .selectFrom(inheritedRows(tx.db, child).as("inherited"))
    .select([
      sql<string>`cast(${child.name} as text)`.as("channel"),
      "inherited.target",
      "inherited.nevra",
      "inherited.name",
      "inherited.arch",
      "inherited.evrKey",
      "inherited.sinceGeneration",
      sql<number | null>`cast(${number} as integer)`.as("untilGeneration"),
    ]);
}
