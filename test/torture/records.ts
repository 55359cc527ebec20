import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Tables } from "../../src/server/store/schema.ts";

/** The server's records, read past the server: what it says of itself must not decide. */
export interface Records extends Disposable {
  /** In the order in which the rows were made. */
  all<T extends keyof Tables>(table: T): readonly Tables[T][];
}

export function openRecords(dataDir: string): Records {
  const database = new DatabaseSync(join(dataDir, "tatara.db"), {
    readOnly: true,
    timeout: 5_000,
  });
  return {
    all: <T extends keyof Tables>(table: T) =>
      database.prepare(`SELECT * FROM "${table}" ORDER BY rowid`).all() as unknown as Tables[T][],
    [Symbol.dispose]: () => database.close(),
  };
}
