import { sql, type ExpressionBuilder, type SelectQueryBuilder } from "kysely";
import type { ListingRow, Tables } from "./schema.ts";
import type { Reader } from "./store.ts";
import { inChunks } from "./chunks.ts";

/**
 * What a channel lists. A row of `listings` is a span of generations: from `sinceGeneration` on until
 * before `untilGeneration`.
 *
 * A channel that was forked off another (a *child*) copies no rows: it lists what its parent's
 * generation lists, but for packages of which it has rows of its own. Those say all about such a
 * package: one that came later starts at its generation, one that the child began with and removed
 * starts at 0.
 */
export interface ListedRow {
  readonly target: string;
  readonly nevra: string;
  readonly name: string;
  readonly arch: string;
  readonly epoch: number;
  readonly version: string;
  readonly release: string;
  /** Sorts as rpm sorts versions. */
  readonly evrKey: string;
  /** Of the signed bytes in the pool. */
  readonly sha256: string;
  readonly fileName: string;
  readonly sizeBytes: number;
  /** Empty for an imported package. */
  readonly repo: string;
  readonly buildId: string | null;
  readonly publishedAt: number;
  readonly isPinned: number;
  readonly yankedAt: number | null;
  /** 0: inherited, or a child channel began with it. */
  readonly sinceGeneration: number;
}

/** What it takes to know what a channel lists. */
export interface Lineage {
  readonly name: string;
  readonly parent: string | null;
  readonly parentGeneration: number | null;
}

type Db = Reader["db"];

/** Undefined when there is no such channel. Before its first generation a child inherits nothing. */
export async function lineageOf(
  { db }: Pick<Reader, "db">,
  name: string,
): Promise<Lineage | undefined> {
  const row = await db
    .selectFrom("channels")
    .select(["name", "head", "parent", "parentGeneration"])
    .where("name", "=", name)
    .executeTakeFirst();
  if (row === undefined || row.head > 0) return row;
  return { name, parent: null, parentGeneration: null };
}

export interface ListedFilter {
  readonly channel: string;
  /** The generation; without it, now. */
  readonly at?: number | undefined;
  readonly target?: string | undefined;
  readonly names?: readonly string[] | undefined;
  readonly nevras?: readonly string[] | undefined;
}

/** What a channel lists, each target and NEVRA once, in no order; empty without such a channel. */
export async function listedIn(
  reader: Pick<Reader, "db">,
  filter: ListedFilter,
): Promise<readonly ListedRow[]> {
  const lineage = await lineageOf(reader, filter.channel);
  if (lineage === undefined) return [];
  const { names, nevras } = filter;
  const all = () => listedPackages(reader.db, lineage, filter);
  if (nevras !== undefined) {
    return await inChunks(nevras, (some) => all().where("listed.nevra", "in", some).execute());
  }
  if (names !== undefined) {
    return await inChunks(names, (some) => all().where("listed.name", "in", some).execute());
  }
  return await all().execute();
}

export async function listingAt(
  reader: Pick<Reader, "db">,
  channel: string,
  number: number,
): Promise<readonly ListedRow[]> {
  return await listedIn(reader, { channel, at: number });
}

/** The newest version per target, name and architecture. */
export async function newestListed(
  { db }: Pick<Reader, "db">,
  filter: {
    readonly channel: string;
    readonly targets?: readonly string[];
    readonly names: readonly string[];
  },
): Promise<readonly ListedRow[]> {
  const lineage = await lineageOf({ db }, filter.channel);
  if (lineage === undefined) return [];
  const { targets } = filter;
  return await inChunks(filter.names, (names) =>
    listedPackages(db, lineage, {})
      .innerJoin(
        () => {
          const groups = db
            .selectFrom(listed(db, lineage, undefined).as("versions"))
            .select(["target", "name", "arch", ({ fn }) => fn.max("evrKey").as("evrKey")])
            .where("name", "in", names)
            .groupBy(["target", "name", "arch"]);
          return (targets ? groups.where("target", "in", targets) : groups).as("newest");
        },
        (join) =>
          join
            .onRef("newest.target", "=", "listed.target")
            .onRef("newest.name", "=", "listed.name")
            .onRef("newest.arch", "=", "listed.arch")
            .onRef("newest.evrKey", "=", "listed.evrKey"),
      )
      .where("listed.name", "in", names)
      .execute(),
  );
}

/** With what the packages' own rows say. */
function listedPackages(
  db: Db,
  lineage: Lineage,
  { at, target }: { readonly at?: number | undefined; readonly target?: string | undefined },
) {
  const query = db
    .selectFrom(listed(db, lineage, at).as("listed"))
    .innerJoin("packages", "packages.nevra", "listed.nevra")
    .select([
      "listed.target as target",
      "listed.nevra as nevra",
      "listed.name as name",
      "listed.arch as arch",
      "listed.evrKey as evrKey",
      "listed.sinceGeneration as sinceGeneration",
      "packages.epoch",
      "packages.version",
      "packages.release",
      "packages.signedSha256 as sha256",
      "packages.fileName",
      "packages.sizeBytes",
      "packages.repo",
      "packages.buildId",
      "packages.publishedAt",
      "packages.isPinned",
      "packages.yankedAt",
    ]);
  return target === undefined ? query : query.where("listed.target", "=", target);
}

/** Rows of what a channel lists at a generation, or now. */
export function listed(db: Db, lineage: Lineage, at: number | undefined) {
  const { name, parent, parentGeneration } = lineage;
  const own = ownRows(db, name, at).select("listings.sinceGeneration");
  return parent === null || parentGeneration === null
    ? own
    : own.unionAll(inheritedRows(db, { name, parent, parentGeneration }));
}

/**
 * The same in parts of which each has an index in order of names, for pages: no row is in two parts.
 */
export function listedParts(db: Db, lineage: Lineage) {
  const { name, parent, parentGeneration } = lineage;
  const [open] = spansAt(db, name, undefined);
  const own = withColumns(db, open).select("listings.sinceGeneration");
  const inherited = parent === null ? [] : spansAt(db, parent, parentGeneration ?? 0);
  return [own, ...inherited.map((spans) => withoutOwn(db, name, withColumns(db, spans)))];
}

/** What a child channel lists and has no rows of its own about. */
export function inheritedRows(
  db: Db,
  child: { readonly name: string; readonly parent: string; readonly parentGeneration: number },
) {
  return withoutOwn(db, child.name, ownRows(db, child.parent, child.parentGeneration));
}

function withoutOwn(db: Db, child: string, rows: ReturnType<typeof withColumns>) {
  return rows
    .select(({ lit }) => lit(0).as("sinceGeneration"))
    .where(({ not, exists }) =>
      not(
        exists(
          db
            .selectFrom("listings as own")
            .select("own.nevra")
            .where("own.channel", "=", child)
            .whereRef("own.target", "=", sql.ref("listings.target"))
            .whereRef("own.nevra", "=", sql.ref("listings.nevra")),
        ),
      ),
    );
}

function ownRows(db: Db, channel: string, at: number | undefined) {
  const [open, closed] = spansAt(db, channel, at);
  return withColumns(db, closed === undefined ? open : open.unionAll(closed));
}

/** Spans that go on, and with a generation those that ended after it: each has an index of its own. */
function spansAt(
  db: Db,
  channel: string,
  at: number | undefined,
): readonly [open: Spans, ...closed: Spans[]] {
  const spans = db
    .selectFrom("listings")
    .select(["target", "nevra", "name", "arch", "evrKey", "sinceGeneration"])
    .where("channel", "=", channel);
  const open = spans.where("untilGeneration", "is", null);
  if (at === undefined) return [open];
  return [open.where(isSince(at)), spans.where("untilGeneration", ">", at).where(isSince(at))];
}

/**
 * The span has begun by then. Most have, so an index of beginnings is the wrong one for it, and the
 * planner does not see that: it cannot look through this expression.
 */
export function isSince(number: number) {
  return ({ eb, fn, val }: ExpressionBuilder<Tables, "listings">) =>
    eb(fn.coalesce("sinceGeneration", val(0)), "<=", number);
}

function withColumns(db: Db, rows: Spans) {
  return db
    .selectFrom(rows.as("listings"))
    .select([
      "listings.target",
      "listings.nevra",
      "listings.name",
      "listings.arch",
      "listings.evrKey",
    ]);
}

type Spans = SelectQueryBuilder<
  Tables,
  "listings",
  Pick<ListingRow, "target" | "nevra" | "name" | "arch" | "evrKey" | "sinceGeneration">
>;
