import { sql } from "kysely";
import { buildChannelName } from "../../domain/channel.ts";
import type { PackageNameView, PackageView, ReadStore } from "../views.ts";
import { inChunks } from "./chunks.ts";
import { lineageOf, listedParts, type Lineage } from "./listings.ts";
import { packagesByNevra } from "./packages.ts";
import { ownersOf } from "./rights.ts";
import type { PackageRow } from "./schema.ts";
import type { Reader } from "./store.ts";

const VERSIONS_SHOWN_MAX = 200;
/** Versions of one name in a list of names. */
const VERSIONS_LISTED_MAX = 50;

/** A page of what a channel's target lists. */
export async function listChannelPackages(
  store: Reader,
  filter: Parameters<ReadStore["channelPackages"]>[0],
): Promise<readonly PackageView[]> {
  const lineage = await lineageOf(store, filter.channel);
  if (lineage === undefined) return [];
  const names = await namesIn(store, lineage, filter);
  const listed = await versionsIn(store, lineage, filter.target, names);
  const rows = await packagesByNevra(
    store,
    listed.map(({ nevra }) => nevra),
  );
  const byNevra = new Map(rows.map((row) => [row.nevra, row]));
  return await packageViews(
    store,
    listed.flatMap(({ nevra }) => byNevra.get(nevra) ?? []),
  );
}

/** The page's names, in order. Each part tells its first ones, so the first of all are among them. */
async function namesIn(
  { db }: Reader,
  lineage: Lineage,
  { target, query, afterName, limit }: Parameters<ReadStore["channelPackages"]>[0],
): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const part of listedParts(db, lineage)) {
    let page = db
      .selectFrom(part.as("listed"))
      .select("name")
      .distinct()
      .where("target", "=", target)
      .where("name", ">", afterName ?? "");
    if (query) page = page.where(contains("name", query));
    for (const { name } of await page.orderBy("name").limit(limit).execute()) names.add(name);
  }
  return [...names].sort().slice(0, limit);
}

/** By name and newest first, so many of each name. */
async function versionsIn(
  { db }: Reader,
  lineage: Lineage,
  target: string,
  names: readonly string[],
) {
  const listed: { readonly nevra: string; readonly name: string; readonly evrKey: string }[] = [];
  for (const part of listedParts(db, lineage)) {
    const rows = await inChunks(names, (some) =>
      db
        .selectFrom(part.as("listed"))
        .select(["nevra", "name", "evrKey"])
        .where("target", "=", target)
        .where("name", "in", some)
        .execute(),
    );
    listed.push(...rows);
  }
  listed.sort(byNameAndVersion);
  const byName = Map.groupBy(listed, ({ name }) => name);
  return [...byName.values()].flatMap((versions) => versions.slice(0, VERSIONS_LISTED_MAX));
}

type Versioned = Pick<PackageRow, "nevra" | "name" | "evrKey">;

function byNameAndVersion(a: Versioned, b: Versioned): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  if (a.evrKey !== b.evrKey) return a.evrKey < b.evrKey ? 1 : -1;
  return a.nevra < b.nevra ? -1 : 1;
}

/** Every version ever published under a name: what no hosts could have is none. */
export async function versionsOf(store: Reader, name: string): Promise<readonly PackageView[]> {
  const rows = await store.db
    .selectFrom("packages")
    .selectAll()
    .where("name", "=", name)
    .where("freedAt", "is", null)
    .orderBy("evrKey", "desc")
    .orderBy("nevra")
    .limit(VERSIONS_SHOWN_MAX)
    .execute();
  return await packageViews(store, rows);
}

/** A page of all names. */
export async function listNames(
  store: Reader,
  { query, afterName, limit }: Parameters<ReadStore["listPackages"]>[0],
): Promise<readonly PackageNameView[]> {
  let page = store.db
    .selectFrom("packages")
    .select(["name", ({ fn }) => fn.max("evrKey").as("evrKey")])
    .where("name", ">", afterName ?? "")
    .where("freedAt", "is", null);
  if (query) page = page.where(contains("name", query));
  const newest = await page.groupBy("name").orderBy("name").limit(limit).execute();
  const names = newest.map(({ name }) => name);
  const inChannels = await newestInChannels(store, names);
  const keys = [...newest, ...inChannels];
  const versions = await packagesByKey(store, keys);
  const owners = await ownersOf(store, names);
  const byName = Map.groupBy(inChannels, ({ name }) => name);
  return newest.flatMap(({ name, evrKey }): PackageNameView[] => {
    const row = versions.get(`${name} ${evrKey}`);
    if (row === undefined) return [];
    const { summary, publishedAt } = row;
    const there = (byName.get(name) ?? []).map((each): [string, string] => [
      each.channel,
      evrText(versions.get(`${name} ${each.evrKey}`)),
    ]);
    const repo = owners.get(name) ?? row.repo;
    return [{ name, summary, repo, newest: Object.fromEntries(there), publishedAt }];
  });
}

async function newestInChannels({ db }: Reader, names: readonly string[]) {
  return await inChunks(names, (some) =>
    db
      .selectFrom("listings")
      .select(["name", "channel", ({ fn }) => fn.max("evrKey").as("evrKey")])
      .where("name", "in", some)
      .where("untilGeneration", "is", null)
      .where("channel", "not like", buildChannelName("%"))
      .groupBy(["name", "channel"])
      .execute(),
  );
}

type Version = Pick<
  PackageRow,
  "name" | "evrKey" | "epoch" | "version" | "release" | "summary" | "repo" | "publishedAt"
>;

async function packagesByKey(
  { db }: Reader,
  keys: readonly Pick<PackageRow, "name" | "evrKey">[],
): Promise<ReadonlyMap<string, Version>> {
  const rows = await inChunks(
    keys.map(({ name, evrKey }) => `${name} ${evrKey}`),
    (some) => {
      const pairs = some.map((key) => key.split(" "));
      return db
        .selectFrom("packages")
        .select(["name", "evrKey", "epoch", "version", "release", "summary", "repo", "publishedAt"])
        .where("name", "in", [...new Set(pairs.map(([name]) => name ?? ""))])
        .where("evrKey", "in", [...new Set(pairs.map(([, evrKey]) => evrKey ?? ""))])
        .execute();
    },
  );
  return new Map(rows.map((row) => [`${row.name} ${row.evrKey}`, row]));
}

function evrText(version: Version | undefined): string {
  if (version === undefined) return "";
  const { epoch } = version;
  return `${epoch === 0 ? "" : `${epoch}:`}${version.version}-${version.release}`;
}

/** The text anywhere in the column; what it holds of `%` and `_` means itself. */
function contains(column: string, text: string) {
  const pattern = `%${text.replace(/[\\%_]/g, "\\$&")}%`;
  return sql<boolean>`${sql.ref(column)} like ${pattern} escape '\\'`;
}

/** With where they are listed now and which build made them. */
export async function packageViews(
  store: Reader,
  packages: readonly PackageRow[],
): Promise<readonly PackageView[]> {
  if (packages.length === 0) return [];
  const listings = await listingsOf(
    store,
    packages.map(({ nevra }) => nevra),
  );
  const numbers = await buildNumbers(store, packages);
  return packages.map((row) => ({
    nevra: row.nevra,
    name: row.name,
    epoch: row.epoch,
    version: row.version,
    release: row.release,
    arch: row.arch,
    summary: row.summary,
    license: row.license,
    sizeBytes: row.sizeBytes,
    signedSha256: row.signedSha256,
    fileName: row.fileName,
    repo: row.repo,
    buildId: row.buildId,
    buildNumber: numbers.get(row.buildId ?? "") ?? null,
    publishedAt: row.publishedAt,
    yanked: yankOf(row),
    listings: listings.get(row.nevra) ?? [],
  }));
}

function yankOf({ yankedAt, yankReason, refusedAt }: PackageRow): PackageView["yanked"] {
  if (yankedAt === null) return null;
  return { at: yankedAt, reason: yankReason ?? "", refused: refusedAt !== null };
}

type Place = PackageView["listings"][number];

/** NEVRA → where it is listed now, by children as well that inherit it. */
async function listingsOf(
  { db }: Reader,
  nevras: readonly string[],
): Promise<ReadonlyMap<string, readonly Place[]>> {
  const spans = await inChunks(nevras, (some) =>
    db
      .selectFrom("listings")
      .select(["channel", "target", "nevra", "sinceGeneration", "untilGeneration"])
      .where("nevra", "in", some)
      // A build's own is shown with the build: nobody subscribes a host to one.
      .where("channel", "not like", buildChannelName("%"))
      .orderBy("channel")
      .orderBy("target")
      .execute(),
  );
  const children = await db
    .selectFrom("channels")
    .select(["name", "parent", "parentGeneration"])
    .where("parent", "is not", null)
    .where("head", ">", 0)
    .orderBy("name")
    .execute();
  const own = new Set(spans.map(({ channel, target, nevra }) => `${channel} ${target} ${nevra}`));
  const places = spans.flatMap(({ channel, target, nevra, ...span }) => {
    const heirs = children.filter(
      ({ name, parent, parentGeneration }) =>
        parent === channel &&
        span.sinceGeneration <= (parentGeneration ?? 0) &&
        (parentGeneration ?? 0) < (span.untilGeneration ?? Infinity) &&
        !own.has(`${name} ${target} ${nevra}`),
    );
    const names = heirs.map(({ name }) => name);
    if (span.untilGeneration === null) names.unshift(channel);
    return names.map((name) => ({ nevra, place: { channel: name, target } }));
  });
  const byNevra = Map.groupBy(places, ({ nevra }) => nevra);
  return new Map([...byNevra].map(([nevra, some]) => [nevra, some.map(({ place }) => place)]));
}

async function buildNumbers(
  { db }: Reader,
  packages: readonly PackageRow[],
): Promise<ReadonlyMap<string, number>> {
  const ids = packages.flatMap(({ buildId }) => buildId ?? []);
  const rows = await inChunks(ids, (some) =>
    db.selectFrom("builds").select(["id", "number"]).where("id", "in", some).execute(),
  );
  return new Map(rows.map(({ id, number }) => [id, number]));
}
