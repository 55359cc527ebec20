import { sql, type Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;

  await schema
    .createTable("repos")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("forge", "text", (column) => column.notNull())
    .addColumn("defaultBranch", "text")
    .addColumn("nextNumber", "integer", (column) => column.notNull())
    .addColumn("createdAt", "bigint", (column) => column.notNull())
    .execute();

  await schema
    .createTable("deliveries")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("forge", "text", (column) => column.notNull())
    .addColumn("deliveryId", "text", (column) => column.notNull())
    .addColumn("bodyDigest", "text")
    .addColumn("event", "text", (column) => column.notNull())
    .addColumn("repo", "text")
    .addColumn("ref", "text")
    .addColumn("before", "text")
    .addColumn("after", "text")
    .addColumn("receivedAt", "bigint", (column) => column.notNull())
    .addColumn("disposition", "text", (column) => column.notNull())
    .addColumn("reason", "text")
    .addColumn("buildId", "text")
    .addColumn("pushKey", "text", (column) => column.unique())
    .addUniqueConstraint("deliveriesById", ["forge", "deliveryId"])
    .addUniqueConstraint("deliveriesByBody", ["forge", "bodyDigest"])
    .execute();
  await schema.createIndex("deliveriesByBuild").on("deliveries").columns(["buildId"]).execute();

  await schema
    .createTable("builds")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("repo", "text", (column) => column.notNull())
    .addColumn("number", "integer", (column) => column.notNull())
    .addColumn("forge", "text", (column) => column.notNull())
    .addColumn("event", "text", (column) => column.notNull())
    .addColumn("sha", "text")
    .addColumn("ref", "text", (column) => column.notNull())
    .addColumn("before", "text", (column) => column.notNull())
    .addColumn("after", "text", (column) => column.notNull())
    .addColumn("message", "text", (column) => column.notNull())
    .addColumn("authorName", "text", (column) => column.notNull())
    .addColumn("pusher", "text", (column) => column.notNull())
    .addColumn("trust", "text", (column) => column.notNull())
    .addColumn("defaultBranch", "text")
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("reason", "text")
    .addColumn("isReady", "integer", (column) => column.notNull())
    .addColumn("rerunOf", "text")
    .addColumn("createdAt", "bigint", (column) => column.notNull())
    .addColumn("startedAt", "bigint")
    .addColumn("endedAt", "bigint")
    .addColumn("cancelRequestedAt", "bigint")
    .addColumn("pipelineJson", "text")
    .addColumn("note", "text")
    .addColumn("failureJson", "text")
    .addUniqueConstraint("buildsByNumber", ["repo", "number"])
    .execute();
  await schema.createIndex("buildsByRepo").on("builds").columns(["repo", "state"]).execute();
  await schema.createIndex("buildsByTime").on("builds").columns(["createdAt"]).execute();
  await schema.createIndex("buildsByState").on("builds").columns(["state", "createdAt"]).execute();

  await schema
    .createTable("jobs")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("buildId", "text", (column) => column.notNull().references("builds.id"))
    .addColumn("position", "integer", (column) => column.notNull())
    .addColumn("target", "text")
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("reason", "text")
    .addColumn("attempt", "integer", (column) => column.notNull())
    .addColumn("countedAttempts", "integer", (column) => column.notNull())
    .addColumn("notBeforeAt", "bigint", (column) => column.notNull())
    .addColumn("queuedAt", "bigint", (column) => column.notNull())
    .addColumn("startedAt", "bigint")
    .addColumn("endedAt", "bigint")
    .addColumn("worker", "text")
    .addColumn("leaseTokenHash", "text")
    .addColumn("leaseExpiresAt", "bigint")
    .addUniqueConstraint("jobsByPosition", ["buildId", "position"])
    .execute();
  await schema.createIndex("jobsByState").on("jobs").columns(["state", "queuedAt"]).execute();

  await schema
    .createTable("steps")
    .addColumn("jobId", "text", (column) => column.notNull().references("jobs.id"))
    .addColumn("attempt", "integer", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("position", "integer", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("note", "text")
    .addColumn("startedAt", "bigint")
    .addColumn("endedAt", "bigint")
    .addColumn("failureJson", "text")
    .addPrimaryKeyConstraint("stepsKey", ["jobId", "attempt", "name"])
    .execute();

  await schema
    .createTable("artifacts")
    .addColumn("jobId", "text", (column) => column.notNull().references("jobs.id"))
    .addColumn("attempt", "integer", (column) => column.notNull())
    .addColumn("sha256", "text", (column) => column.notNull())
    .addColumn("fileName", "text", (column) => column.notNull())
    .addColumn("sizeBytes", "bigint", (column) => column.notNull())
    .addColumn("target", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("artifactsKey", ["jobId", "attempt", "fileName"])
    .execute();

  await schema
    .createTable("publishes")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("buildId", "text", (column) => column.notNull().unique().references("builds.id"))
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("channelsJson", "text", (column) => column.notNull())
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
    .execute();
  await schema
    .createIndex("publishesByState")
    .on("publishes")
    .columns(["state", "queuedAt"])
    .execute();

  await schema
    .createTable("channels")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("head", "integer", (column) => column.notNull())
    .addColumn("updatedAt", "bigint", (column) => column.notNull())
    .execute();

  await schema
    .createTable("generations")
    .addColumn("channel", "text", (column) => column.notNull().references("channels.name"))
    .addColumn("number", "integer", (column) => column.notNull())
    .addColumn("base", "integer", (column) => column.notNull())
    .addColumn("buildId", "text", (column) => column.notNull())
    .addColumn("createdAt", "bigint", (column) => column.notNull())
    .addColumn("targetsJson", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("generationsKey", ["channel", "number"])
    .execute();

  await schema
    .createTable("packages")
    .addColumn("nevra", "text", (column) => column.primaryKey())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("epoch", "integer", (column) => column.notNull())
    .addColumn("version", "text", (column) => column.notNull())
    .addColumn("release", "text", (column) => column.notNull())
    .addColumn("arch", "text", (column) => column.notNull())
    .addColumn("summary", "text", (column) => column.notNull())
    .addColumn("license", "text", (column) => column.notNull())
    .addColumn("unsignedSha256", "text", (column) => column.notNull())
    .addColumn("signedSha256", "text", (column) => column.notNull())
    .addColumn("sizeBytes", "bigint", (column) => column.notNull())
    .addColumn("fileName", "text", (column) => column.notNull())
    .addColumn("repo", "text", (column) => column.notNull())
    .addColumn("buildId", "text", (column) => column.notNull())
    .addColumn("publishedAt", "bigint", (column) => column.notNull())
    .execute();
  await schema.createIndex("packagesByBuild").on("packages").columns(["buildId"]).execute();
  await schema.createIndex("packagesByName").on("packages").columns(["name"]).execute();

  await schema
    .createTable("listings")
    .addColumn("channel", "text", (column) => column.notNull())
    .addColumn("target", "text", (column) => column.notNull())
    .addColumn("nevra", "text", (column) => column.notNull())
    .addColumn("sinceGeneration", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("listingsKey", ["channel", "target", "nevra"])
    .execute();
  await schema.createIndex("listingsByNevra").on("listings").columns(["nevra"]).execute();

  await schema
    .createTable("outbox")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("forge", "text", (column) => column.notNull())
    .addColumn("repo", "text", (column) => column.notNull())
    .addColumn("sha", "text", (column) => column.notNull())
    .addColumn("context", "text", (column) => column.notNull())
    .addColumn("buildId", "text", (column) => column.notNull())
    .addColumn("buildNumber", "integer", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("description", "text", (column) => column.notNull())
    .addColumn("targetUrl", "text", (column) => column.notNull())
    .addColumn("version", "integer", (column) => column.notNull())
    .addColumn("sentVersion", "integer", (column) => column.notNull())
    .addColumn("tries", "integer", (column) => column.notNull())
    .addColumn("nextTryAt", "bigint", (column) => column.notNull())
    .addColumn("leaseToken", "text")
    .addColumn("leaseUntilAt", "bigint", (column) => column.notNull())
    .addColumn("lastProblem", "text")
    .addColumn("terminalReason", "text")
    .addColumn("createdAt", "bigint", (column) => column.notNull())
    .addColumn("updatedAt", "bigint", (column) => column.notNull())
    .addUniqueConstraint("outboxKey", ["forge", "repo", "sha", "context"])
    .execute();
  // Only rows with something left to say are looked for, and they are few.
  await schema
    .createIndex("outboxWaiting")
    .on("outbox")
    .columns(["forge", "updatedAt"])
    .where(sql.ref("version"), ">", sql.ref("sentVersion"))
    .execute();

  await schema
    .createTable("credentials")
    .addColumn("forge", "text", (column) => column.primaryKey())
    .addColumn("pausedUntilAt", "bigint", (column) => column.notNull())
    .addColumn("parkedReason", "text")
    .execute();

  await schema
    .createTable("statuses")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("repo", "text", (column) => column.notNull())
    .addColumn("sha", "text", (column) => column.notNull())
    .addColumn("context", "text", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("description", "text", (column) => column.notNull())
    .addColumn("targetUrl", "text", (column) => column.notNull())
    .addColumn("createdAt", "bigint", (column) => column.notNull())
    .execute();
  await schema.createIndex("statusesByCommit").on("statuses").columns(["repo", "sha"]).execute();

  await schema
    .createTable("sessions")
    .addColumn("tokenHash", "text", (column) => column.primaryKey())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("expiresAt", "bigint", (column) => column.notNull())
    .execute();
}
