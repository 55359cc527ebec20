import { sql, type Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await widenBuilds(db);
  await widenJobs(db);
  await widenPublishes(db);
}

/** Builds that no push asked for, plans that make many jobs, and what the plan was read from. */
async function widenBuilds(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  for (const name of [
    "pullRequestJson",
    "paramsJson",
    "fileJson",
    "fileSha",
    "supersededBy",
    "compareWith",
    "waitReason",
  ]) {
    await schema.alterTable("builds").addColumn(name, "text").execute();
  }
  await schema
    .alterTable("builds")
    .addColumn("isFresh", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  await schema
    .alterTable("builds")
    .addColumn("mayPublish", "integer", (column) => column.notNull().defaultTo(1))
    .execute();
  await schema
    .alterTable("repos")
    .addColumn("cacheEpoch", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  await sql`update builds set event = 'push' where event not in ('push', 'rerun')`.execute(db);
  // Plans of the first form name one job; what is under way is planned anew.
  await sql`update builds set "pipelineJson" = null where state in ('queued', 'running')`.execute(
    db,
  );
}

async function widenJobs(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  for (const name of ["specJson", "arch", "workerArch"]) {
    await schema.alterTable("jobs").addColumn(name, "text").execute();
  }
  for (const [name, value] of [
    ["name", ""],
    ["project", ""],
    ["kind", "build"],
    ["needsJson", "[]"],
  ] as const) {
    await schema
      .alterTable("jobs")
      .addColumn(name, "text", (column) => column.notNull().defaultTo(value))
      .execute();
  }
  for (const name of ["priority", "isBlocked"]) {
    await schema
      .alterTable("jobs")
      .addColumn(name, "integer", (column) => column.notNull().defaultTo(0))
      .execute();
  }
  await schema
    .alterTable("steps")
    .addColumn("title", "text", (column) => column.notNull().defaultTo(""))
    .execute();
  await schema.alterTable("steps").addColumn("detailsJson", "text").execute();
  await sql`update jobs set name = coalesce(target, '')`.execute(db);
  await sql`update steps set title = name`.execute(db);
}

/** A build may have two publishes: to its own channel, to be verified, and then to where it belongs. */
async function widenPublishes(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema.alterTable("packages").addColumn("freedAt", "bigint").execute();
  await schema.alterTable("publishes").renameTo("publishes2").execute();
  await schema.dropIndex("publishesByState").execute();
  await schema
    .createTable("publishes")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("purpose", "text", (column) => column.notNull())
    .addColumn("buildId", "text", (column) => column.references("builds.id"))
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
    .addUniqueConstraint("publishesByBuild", ["buildId", "purpose"])
    .execute();
  await sql`
    insert into publishes (id, kind, purpose, "buildId", state, "channelsJson", "requestJson", "by",
      note, attempt, "countedAttempts", "notBeforeAt", worker, "leaseTokenHash", "leaseExpiresAt",
      "queuedAt", "startedAt", "endedAt", "durationMs", "keyFingerprint", "generationsJson",
      "warningsJson", "progressJson", "reportJson", reason)
    select id, kind, 'final', "buildId", state, "channelsJson", "requestJson", "by",
      note, attempt, "countedAttempts", "notBeforeAt", worker, "leaseTokenHash", "leaseExpiresAt",
      "queuedAt", "startedAt", "endedAt", "durationMs", "keyFingerprint", "generationsJson",
      "warningsJson", "progressJson", "reportJson", reason
    from publishes2`.execute(db);
  await pointToPublishes(db);
  await schema.dropTable("publishes2").execute();
  await schema
    .createIndex("publishesByState")
    .on("publishes")
    .columns(["state", "queuedAt"])
    .execute();
}

/** A rename takes along what refers to the table, so those rows move to one that refers to the new table. */
async function pointToPublishes(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema.alterTable("generationPublishes").renameTo("generationPublishes2").execute();
  await schema
    .createTable("generationPublishes")
    .addColumn("channel", "text", (column) => column.notNull())
    .addColumn("number", "integer", (column) => column.notNull())
    .addColumn("publishId", "text", (column) => column.notNull().references("publishes.id"))
    .addPrimaryKeyConstraint("generationPublishesKey", ["channel", "number", "publishId"])
    .execute();
  await sql`
    insert into "generationPublishes" (channel, number, "publishId")
    select channel, number, "publishId" from "generationPublishes2"`.execute(db);
  await schema.dropTable("generationPublishes2").execute();
}
