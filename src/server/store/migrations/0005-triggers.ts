import type { Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema
    .alterTable("builds")
    .addColumn("isForced", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  // Which older builds of a ref are under way, asked at each push, claim of a publish, and plan.
  await schema.createIndex("buildsByRef").on("builds").columns(["repo", "ref", "number"]).execute();

  await schema
    .createTable("schedules")
    .addColumn("repo", "text", (column) => column.notNull().references("repos.name"))
    .addColumn("pattern", "text", (column) => column.notNull())
    .addColumn("nextAt", "bigint", (column) => column.notNull())
    .addColumn("lastTickAt", "bigint")
    .addColumn("createdAt", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("schedulesKey", ["repo", "pattern"])
    .execute();
  await schema.createIndex("schedulesByNext").on("schedules").columns(["nextAt"]).execute();
  await schema
    .createTable("ticks")
    .addColumn("repo", "text", (column) => column.notNull())
    .addColumn("tickAt", "bigint", (column) => column.notNull())
    .addColumn("buildId", "text")
    .addPrimaryKeyConstraint("ticksKey", ["repo", "tickAt"])
    .execute();

  await schema
    .createTable("secrets")
    .addColumn("repo", "text", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("keyId", "text", (column) => column.notNull())
    .addColumn("sealed", "text", (column) => column.notNull())
    .addColumn("branchesJson", "text")
    .addColumn("pullRequests", "integer", (column) => column.notNull())
    .addColumn("createdAt", "bigint", (column) => column.notNull())
    .addColumn("updatedAt", "bigint", (column) => column.notNull())
    .addColumn("lastUsedAt", "bigint")
    .addColumn("lastUsedBy", "text")
    .addPrimaryKeyConstraint("secretsKey", ["repo", "name"])
    .execute();
}
