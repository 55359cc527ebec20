import { sql, type Kysely } from "kysely";
import { evrKey } from "../../../domain/evr-key.ts";

/** Never edited once released: a change is a migration of its own. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await widenPublishes(db);
  await widenGenerations(db);
  await widenPackages(db);
  await widenListings(db);
  await addRights(db);
  await addAdvisories(db);
}

/** A publish need not be a build's any more. */
async function widenPublishes(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema.alterTable("publishes").renameTo("publishes1").execute();
  await schema.dropIndex("publishesByState").execute();
  await schema
    .createTable("publishes")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("buildId", "text", (column) => column.unique().references("builds.id"))
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("channelsJson", "text", (column) => column.notNull())
    .addColumn("requestJson", "text")
    .addColumn("by", "text", (column) => column.notNull())
    .addColumn("note", "text", (column) => column.notNull())
    .addColumn("attempt", "integer", (column) => column.notNull())
    .addColumn("countedAttempts", "integer", (column) => column.notNull())
    .addColumn("notBeforeAt", "bigint", (column) => column.notNull())
    .addColumn("worker", "text")
    .addColumn("leaseTokenHash", "text")
    .addColumn("leaseExpiresAt", "bigint")
    .addColumn("queuedAt", "bigint", (column) => column.notNull())
    .addColumn("startedAt", "bigint")
    .addColumn("endedAt", "bigint")
    .addColumn("durationMs", "bigint")
    .addColumn("keyFingerprint", "text")
    .addColumn("generationsJson", "text")
    .addColumn("warningsJson", "text")
    .addColumn("progressJson", "text")
    .addColumn("reportJson", "text")
    .addColumn("reason", "text")
    .execute();
  await sql`
    insert into publishes (id, kind, "buildId", state, "channelsJson", "by", note, attempt,
      "countedAttempts", "notBeforeAt", worker, "leaseTokenHash", "leaseExpiresAt", "queuedAt",
      "startedAt", "endedAt", "durationMs", "keyFingerprint", "generationsJson")
    select id, 'build', "buildId", state, "channelsJson", 'push', '', attempt,
      "countedAttempts", "notBeforeAt", worker, "leaseTokenHash", "leaseExpiresAt", "queuedAt",
      "startedAt", "endedAt", "durationMs", "keyFingerprint", "generationsJson"
    from publishes1`.execute(db);
  await schema.dropTable("publishes1").execute();
  await schema
    .createIndex("publishesByState")
    .on("publishes")
    .columns(["state", "queuedAt"])
    .execute();
}

async function widenGenerations(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  const channels = schema.alterTable("channels");
  await channels
    .addColumn("createdAt", "bigint", (column) => column.notNull().defaultTo(0))
    .execute();
  await sql`update channels set "createdAt" = "updatedAt"`.execute(db);
  await channels.addColumn("parent", "text").execute();
  await channels.addColumn("parentGeneration", "integer").execute();
  await channels.addColumn("expiresAt", "bigint").execute();
  await channels
    .addColumn("settingsJson", "text", (column) => column.notNull().defaultTo("{}"))
    .execute();

  await schema
    .createTable("generationPublishes")
    .addColumn("channel", "text", (column) => column.notNull())
    .addColumn("number", "integer", (column) => column.notNull())
    .addColumn("publishId", "text", (column) => column.notNull().references("publishes.id"))
    .addPrimaryKeyConstraint("generationPublishesKey", ["channel", "number", "publishId"])
    .execute();
  await sql`
    insert into "generationPublishes" (channel, number, "publishId")
    select generations.channel, generations.number, publishes.id
    from generations inner join publishes on publishes."buildId" = generations."buildId"`.execute(
    db,
  );
  const generations = schema.alterTable("generations");
  await generations.dropColumn("buildId").execute();
  await generations
    .addColumn("countsJson", "text", (column) => column.notNull().defaultTo("{}"))
    .execute();
  await generations
    .addColumn("isPinned", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  await generations.addColumn("pinNote", "text").execute();
  await generations.addColumn("sweptAt", "bigint").execute();
}

async function widenPackages(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema.dropIndex("packagesByBuild").execute();
  await schema.dropIndex("packagesByName").execute();
  await schema.alterTable("packages").renameTo("packages1").execute();
  await schema
    .createTable("packages")
    .addColumn("nevra", "text", (column) => column.primaryKey())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("epoch", "integer", (column) => column.notNull())
    .addColumn("version", "text", (column) => column.notNull())
    .addColumn("release", "text", (column) => column.notNull())
    .addColumn("arch", "text", (column) => column.notNull())
    .addColumn("evrKey", "text", (column) => column.notNull())
    .addColumn("summary", "text", (column) => column.notNull())
    .addColumn("license", "text", (column) => column.notNull())
    .addColumn("unsignedSha256", "text", (column) => column.notNull())
    .addColumn("signedSha256", "text", (column) => column.notNull())
    .addColumn("sizeBytes", "bigint", (column) => column.notNull())
    .addColumn("fileName", "text", (column) => column.notNull())
    .addColumn("sourceRpm", "text", (column) => column.notNull())
    .addColumn("buildTime", "bigint", (column) => column.notNull())
    .addColumn("repo", "text", (column) => column.notNull())
    .addColumn("buildId", "text")
    .addColumn("publishedAt", "bigint", (column) => column.notNull())
    .addColumn("yankedAt", "bigint")
    .addColumn("yankReason", "text")
    .addColumn("refusedAt", "bigint")
    .addColumn("delistedAt", "bigint")
    .addColumn("isPinned", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("sweptAt", "bigint")
    .execute();
  await sql`
    insert into packages (nevra, name, epoch, version, release, arch, "evrKey", summary, license,
      "unsignedSha256", "signedSha256", "sizeBytes", "fileName", "sourceRpm", "buildTime", repo,
      "buildId", "publishedAt")
    select nevra, name, epoch, version, release, arch, '', summary, license, "unsignedSha256",
      "signedSha256", "sizeBytes", "fileName", '', 0, repo, "buildId", "publishedAt"
    from packages1`.execute(db);
  await schema.dropTable("packages1").execute();
  await fillEvrKeys(db);
  await schema.createIndex("packagesByBuild").on("packages").columns(["buildId"]).execute();
  await schema.createIndex("packagesByName").on("packages").columns(["name", "evrKey"]).execute();
  // There are few of them, and every publish asks.
  await schema
    .createIndex("packagesYanked")
    .on("packages")
    .columns(["yankedAt"])
    .where(sql.ref("yankedAt"), "is not", null)
    .execute();
  await schema.createIndex("packagesByBytes").on("packages").columns(["signedSha256"]).execute();
}

/** SQL cannot sort versions as rpm does, so each package gets a key that it can sort. */
async function fillEvrKeys(db: Kysely<unknown>): Promise<void> {
  const packages = await sql<{
    nevra: string;
    epoch: number;
    version: string;
    release: string;
  }>`select nevra, epoch, version, release from packages`.execute(db);
  for (const { nevra, ...evr } of packages.rows) {
    await sql`update packages set "evrKey" = ${evrKey(evr)} where nevra = ${nevra}`.execute(db);
  }
}

async function widenListings(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema.dropIndex("listingsByNevra").execute();
  await schema.alterTable("listings").renameTo("listings1").execute();
  await schema
    .createTable("listings")
    .addColumn("channel", "text", (column) => column.notNull())
    .addColumn("target", "text", (column) => column.notNull())
    .addColumn("nevra", "text", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("arch", "text", (column) => column.notNull())
    .addColumn("evrKey", "text", (column) => column.notNull())
    .addColumn("sinceGeneration", "integer", (column) => column.notNull())
    .addColumn("untilGeneration", "integer")
    .addPrimaryKeyConstraint("listingSpans", ["channel", "target", "nevra", "sinceGeneration"])
    .execute();
  await sql`
    insert into listings (channel, target, nevra, name, arch, "evrKey", "sinceGeneration")
    select channel, target, listings1.nevra, name, arch, "evrKey", "sinceGeneration"
    from listings1 inner join packages on packages.nevra = listings1.nevra`.execute(db);
  await schema.dropTable("listings1").execute();
  await indexListings(db);
  await fillCounts(db);
}

/** What each head lists; of older generations nobody asks. */
async function fillCounts(db: Kysely<unknown>): Promise<void> {
  const counts = await sql<{ channel: string; target: string; packages: number }>`
    select channel, target, count(*) as packages from listings group by channel, target`.execute(
    db,
  );
  for (const [channel, rows] of Map.groupBy(counts.rows, (row) => row.channel)) {
    const countsJson = JSON.stringify(
      Object.fromEntries(rows.map(({ target, packages }) => [target, packages])),
    );
    await sql`
      update generations set "countsJson" = ${countsJson}
      where channel = ${channel}
        and number = (select head from channels where name = ${channel})`.execute(db);
  }
}

/** Each index begins with all that its question fixes, or the planner takes another. */
async function indexListings({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createIndex("listingsByNevra")
    .on("listings")
    .columns(["nevra", "channel"])
    .execute();
  // What is listed now: pages by name, the newest version of a name.
  await schema
    .createIndex("listedByChannel")
    .on("listings")
    .columns(["channel", "name", "target", "arch", "evrKey"])
    .where(sql.ref("untilGeneration"), "is", null)
    .execute();
  await schema
    .createIndex("listedByName")
    .on("listings")
    .columns(["name"])
    .where(sql.ref("untilGeneration"), "is", null)
    .execute();
  // What a generation began and ended: for its page, for undo.
  await schema
    .createIndex("listingsBySince")
    .on("listings")
    .columns(["channel", "sinceGeneration", "nevra"])
    .execute();
  await schema
    .createIndex("listingsByUntil")
    .on("listings")
    .columns(["channel", "untilGeneration", "nevra"])
    .where(sql.ref("untilGeneration"), "is not", null)
    .execute();
}

/** The first repo to publish a name owns it; what was published before settles it by time. */
async function addRights(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema
    .createTable("packageNames")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("repo", "text", (column) => column.notNull())
    .addColumn("since", "bigint", (column) => column.notNull())
    .execute();
  await sql`
    insert into "packageNames" (name, repo, since)
    select name, repo, min("publishedAt") from packages group by name, repo
    order by min("publishedAt")
    on conflict (name) do nothing`.execute(db);
  await schema
    .createTable("allowances")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("repo", "text", (column) => column.notNull())
    .addColumn("rule", "text", (column) => column.notNull())
    .addColumn("subject", "text", (column) => column.notNull())
    .addColumn("by", "text", (column) => column.notNull())
    .addColumn("createdAt", "bigint", (column) => column.notNull())
    .addUniqueConstraint("allowancesKey", ["repo", "rule", "subject"])
    .execute();
}

async function addAdvisories(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema
    .createTable("advisories")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("buildId", "text")
    .addColumn("advisoryJson", "text", (column) => column.notNull())
    .addColumn("createdAt", "bigint", (column) => column.notNull())
    .execute();
  await schema
    .createTable("advisoryPackages")
    .addColumn("advisoryId", "text", (column) => column.notNull().references("advisories.id"))
    .addColumn("nevra", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("advisoryPackagesKey", ["advisoryId", "nevra"])
    .execute();
  await schema
    .createIndex("advisoryPackagesByNevra")
    .on("advisoryPackages")
    .columns(["nevra"])
    .execute();
  await schema
    .createTable("extras")
    .addColumn("channel", "text", (column) => column.notNull())
    .addColumn("target", "text", (column) => column.notNull())
    .addColumn("type", "text", (column) => column.notNull())
    .addColumn("text", "text", (column) => column.notNull())
    .addColumn("updatedAt", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("extrasKey", ["channel", "target", "type"])
    .execute();
  await schema.alterTable("builds").addColumn("errata", "text").execute();
}
