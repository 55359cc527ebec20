import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { BuildRecord, Rows } from "./rows.ts";

const BUSY_MS = 10_000;

/** The records as they were at one moment, read past the server: what it says of itself decides nothing. */
export interface Records extends Disposable {
  /** In the order in which the rows were made. */
  all<T extends keyof Rows>(table: T): readonly Rows[T][];
}

export function databasePath(dataDir: string): string {
  return join(dataDir, "tatara.db");
}

export function hasRecords(dataDir: string): boolean {
  return existsSync(databasePath(dataDir));
}

/** One snapshot: all tables are of the same moment, however long the reading takes. */
export function openRecords(dataDir: string): Records {
  const database = new DatabaseSync(databasePath(dataDir), { readOnly: true, timeout: BUSY_MS });
  database.exec("BEGIN");
  const known = new Map<string, readonly unknown[]>();
  return {
    all: <T extends keyof Rows>(table: T) => {
      const rows =
        known.get(table) ?? database.prepare(`SELECT * FROM "${table}" ORDER BY rowid`).all();
      known.set(table, rows);
      return rows as readonly Rows[T][];
    },
    [Symbol.dispose]: () => database.close(),
  };
}

export function nameOf({ repo, number }: Pick<BuildRecord, "repo" | "number">): string {
  return `${repo} #${number}`;
}
