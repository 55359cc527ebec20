import { Kysely, sql, type Transaction } from "kysely";
import { Migrator } from "kysely/migration";
import { DatabaseUnusable, explained, inspectDatabase } from "./inspect-database.ts";
import * as first from "./migrations/0001-first.ts";
import * as channels from "./migrations/0002-channels.ts";
import * as jobs from "./migrations/0003-jobs.ts";
import * as tests from "./migrations/0004-tests.ts";
import * as triggers from "./migrations/0005-triggers.ts";
import * as keptFiles from "./migrations/0006-kept-files.ts";
import * as tries from "./migrations/0007-tries.ts";
import * as returns from "./migrations/0008-returns.ts";
import * as forgeSweep from "./migrations/0009-forge-sweep.ts";
import * as workers from "./migrations/0011-workers.ts";
import * as claimOrder from "./migrations/0012-claim-order.ts";
import * as refusedStatuses from "./migrations/0013-refused-statuses.ts";
import * as buildRetention from "./migrations/0014-build-retention.ts";
import * as lostAttempts from "./migrations/0015-lost-attempts.ts";
import * as intake from "./migrations/0016-intake.ts";
import type { Tables } from "./schema.ts";
import { sqliteDialect } from "./sqlite.ts";
import type { OnDiskTrouble } from "./sqlite.ts";

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
  "0008-returns": returns,
  "0009-forge-sweep": forgeSweep,
  "0011-workers": workers,
  "0012-claim-order": claimOrder,
  "0013-refused-statuses": refusedStatuses,
  "0014-build-retention": buildRetention,
  "0015-lost-attempts": lostAttempts,
  "0016-intake": intake,
};

/**
 * Opens the embedded database and brings it to this version. Throws `DatabaseUnusable` for one that is
 * damaged, in use or of a newer version, before anything is written. After an unclean end all that was
 * committed is put where it belongs, and on disk, before anybody is told of it.
 */
export async function openDatabase(
  path: string,
  onDiskTrouble: OnDiskTrouble = () => undefined,
): Promise<Kysely<Tables>> {
  const { wasUnclean } = inspectDatabase(path, new Set(Object.keys(MIGRATIONS)));
  const db = new Kysely<Tables>({ dialect: sqliteDialect(path, onDiskTrouble) });
  if (wasUnclean) await sql`PRAGMA wal_checkpoint(TRUNCATE)`.execute(db);
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(MIGRATIONS) },
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    await db.destroy();
    const known = explained(path, error);
    if (known instanceof DatabaseUnusable) throw known;
    const what = error instanceof Error ? error.message : "its migrations failed";
    throw new DatabaseUnusable(`${path} could not be brought to this version: ${what}`, error);
  }
  return db;
}
