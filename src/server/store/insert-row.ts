import { CompiledQuery } from "kysely";
import type { Tables } from "./schema.ts";
import type { Tx } from "./store.ts";

/** Texts of inserts by table and columns; a handful, since rows are written in few places. */
const texts = new Map<string, string>();

/**
 * Inserts one row. Building the text of a wide insert costs several times what running it does, and
 * intake makes four of them for each push, so a text is built once and used again.
 */
export async function insertRow<T extends keyof Tables>(
  { db }: Pick<Tx, "db">,
  table: T,
  row: Tables[T],
): Promise<void> {
  const key = `${table} ${Object.keys(row).join(" ")}`;
  const known = texts.get(key);
  if (known !== undefined) {
    await db.executeQuery(CompiledQuery.raw(known, Object.values(row)));
    return;
  }
  const insert = db.insertInto(table).values(row as never);
  texts.set(key, insert.compile().sql);
  await insert.execute();
}
