import { Kysely, type Transaction } from "kysely";
import { Migrator } from "kysely/migration";
import * as first from "./migrations/0001-first.ts";
import * as channels from "./migrations/0002-channels.ts";
import * as jobs from "./migrations/0003-jobs.ts";
import * as tests from "./migrations/0004-tests.ts";
import * as triggers from "./migrations/0005-triggers.ts";
import * as keptFiles from "./migrations/0006-kept-files.ts";
import * as tries from "./migrations/0007-tries.ts";
import type { Tables } from "./schema.ts";
import { sqliteDialect } from "./sqlite.ts";

/** The database, or a transaction of it: every function of the store takes either. */
export type Db = Kysely<Tables> | Transaction<Tables>;

const MIGRATIONS = {
  "0001-first": first,
  "0002-channels": channels,
  "0003-jobs": jobs,
  "0004-tests": tests,
  "0005-triggers": triggers,
  "0006-kept-files": keptFiles,
  "0007-tries": tries,
};

/**
 * Opens the embedded database and brings it to this version. Throws `DatabaseUnusable`, also for a
 * database of a newer version: the migrator misses the migration that made it.
 */
export async function openDatabase(
  path: string,
  onDiskError: (err: unknown) => void = () => undefined,
): Promise<Kysely<Tables>> {
  const db = new Kysely<Tables>({ dialect: sqliteDialect(path, onDiskError) });
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(MIGRATIONS) },
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    throw new DatabaseUnusable("The database could not be brought to this version.", error);
  }
  return db;
}

/** The server must not start on this database; nothing was written. */
export class DatabaseUnusable extends Error {
  override readonly name = "DatabaseUnusable";

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}
