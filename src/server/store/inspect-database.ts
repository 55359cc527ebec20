import { existsSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/** Another process may be about to end, and to give its lock back. */
const BUSY_MS = 5_000;
/** SQLite's codes, without their extended part. */
const BUSY = 5;
const LOCKED = 6;
const CORRUPT = 11;
const NOT_A_DATABASE = 26;

/** The server must not start on this database; nothing was written. */
export class DatabaseUnusable extends Error {
  override readonly name = "DatabaseUnusable";

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/**
 * Looks at the database without writing, before anything of it is trusted: is it whole, is it free,
 * and does this version know all that was done to it? Throws `DatabaseUnusable`. Says whether its last
 * user ended without closing it, after which its newest part may not be on disk in full.
 */
export function inspectDatabase(
  path: string,
  knownMigrations: ReadonlySet<string>,
): { readonly wasUnclean: boolean } {
  if (!existsSync(path)) return { wasUnclean: false };
  const wasUnclean = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
  try {
    const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS });
    try {
      refuseNewer(path, migrationsOf(database), knownMigrations);
      // Reads every page, so it is asked only when there is a reason.
      if (wasUnclean) refuseDamaged(path, database);
    } finally {
      database.close();
    }
  } catch (err) {
    throw explained(path, err);
  }
  return { wasUnclean };
}

function migrationsOf(database: DatabaseSync): readonly string[] {
  const tables =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'kysely_migration'";
  if (database.prepare(tables).get() === undefined) return [];
  const rows = database.prepare("SELECT name FROM kysely_migration ORDER BY name").all();
  return rows.map(({ name }) => String(name));
}

function refuseNewer(path: string, done: readonly string[], known: ReadonlySet<string>): void {
  const unknown = done.filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  throw new DatabaseUnusable(
    `${path} was brought to a newer version of Tatara (${unknown.join(", ")}), which this one ` +
      "cannot read. Nothing was written. Start that version again; or go back to a backup that was " +
      "made before the upgrade: tatara restore <backup>",
  );
}

function refuseDamaged(path: string, database: DatabaseSync): void {
  const [first] = database.prepare("PRAGMA quick_check(1)").all();
  const verdict = String(first?.["quick_check"] ?? "");
  if (verdict !== "ok") throw damaged(path, verdict);
}

function damaged(path: string, what: string, cause?: unknown): DatabaseUnusable {
  return new DatabaseUnusable(
    `${path} is damaged: ${what}. Nothing was written. Bring back the newest backup: ` +
      "tatara restore <backup>",
    cause,
  );
}

/** In our words, if it says something about the database. */
export function explained(path: string, err: unknown): unknown {
  const { errcode, message } = (err ?? {}) as { errcode?: unknown; message?: unknown };
  const code = typeof errcode === "number" ? errcode & 0xff : undefined;
  if (code === CORRUPT || code === NOT_A_DATABASE) return damaged(path, String(message), err);
  if (code === BUSY || code === LOCKED) {
    return new DatabaseUnusable(
      `${path} is locked by another program, and has been for ${BUSY_MS / 1_000} s. Nothing was ` +
        `written. Find it and end it: fuser -v ${path}`,
      err,
    );
  }
  return err;
}
