import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import {
  SqliteAdapter,
  SqliteDialect,
  SqliteQueryCompiler,
  type LimitNode,
  type SqliteStatement,
} from "kysely";

/**
 * What the disk did to a statement. `broken`: what the open database believes may not be what the disk
 * has. `full`: nothing is on its way to the disk then, and the transaction is gone as if it had never
 * been.
 */
export type DiskTrouble = "broken" | "full";

/** Hears of it where it happens, whoever had asked and whatever becomes of the request. */
export type OnDiskTrouble = (err: unknown, trouble: DiskTrouble) => void;

/** Kysely's dialect over the driver that Node brings. Durable: a commit is on disk when it returns. */
export function sqliteDialect(path: string, onDiskTrouble: OnDiskTrouble): SqliteDialect {
  const connection = new DatabaseSync(path, { timeout: 5_000 });
  connection.exec(
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA locking_mode=NORMAL;",
  );
  // One statement text is prepared once: the store has a fixed, small set of them.
  const prepared = new Map<string, SqliteStatement>();
  // Told where it happens: SQLite rolls back by itself then, and Kysely's own rollback hides the cause.
  const told = <T>(use: () => T): T => {
    try {
      return use();
    } catch (err) {
      const trouble = diskTrouble(err);
      if (trouble !== undefined) onDiskTrouble(err, trouble);
      throw err;
    }
  };
  const prepare = (text: string): SqliteStatement => {
    const known = prepared.get(text);
    if (known !== undefined) return known;
    const statement = connection.prepare(text);
    const made: SqliteStatement = {
      reader: statement.columns().length > 0,
      all: (values) => told(() => statement.all(...bindable(values))),
      run: (values) => told(() => statement.run(...bindable(values))),
      iterate: (values) => statement.iterate(...bindable(values)),
    };
    if (prepared.size < PREPARED_MAX) prepared.set(text, made);
    return made;
  };
  return new OurSqlite({ database: { prepare, close: () => connection.close() } });
}

class OurSqlite extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new TransactionalTables();
  }

  override createQueryCompiler(): SqliteQueryCompiler {
    return new LimitsUnseen();
  }
}

/**
 * Kysely runs SQLite's migrations one statement at a time, though SQLite takes changes of tables back
 * like any others: an upgrade that was killed half-way could never be done again.
 */
class TransactionalTables extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/**
 * SQLite plans by the value of a bare `limit ?`, and so plans anew each time that one is bound, which
 * costs more than most queries do. It does not look into a sum.
 */
class LimitsUnseen extends SqliteQueryCompiler {
  protected override visitLimit(node: LimitNode): void {
    super.visitLimit(node);
    this.append(" + 0");
  }
}

const PREPARED_MAX = 500;

/** IOERR, CORRUPT and FULL of SQLite, whatever their extended part. */
const TROUBLES: ReadonlyMap<number, DiskTrouble> = new Map([
  [10, "broken"],
  [11, "broken"],
  [13, "full"],
]);

function diskTrouble(err: unknown): DiskTrouble | undefined {
  const { errcode } = (err ?? {}) as { errcode?: unknown };
  return typeof errcode === "number" ? TROUBLES.get(errcode & 0xff) : undefined;
}

/**
 * The driver takes an object in first place for named parameters and shifts all others without an
 * error, so nothing but plain values passes here.
 */
function bindable(values: readonly unknown[]): SQLInputValue[] {
  return values.map((value) => {
    if (value === null || typeof value === "string" || typeof value === "bigint") return value;
    if (typeof value === "number" && !Number.isNaN(value)) return value;
    if (value instanceof Uint8Array) return value;
    throw new TypeError(`A ${typeof value} cannot be stored.`);
  });
}
