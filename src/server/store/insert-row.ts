import { CompiledQuery } from "kysely";
import type { Tables } from "./schema.ts";
import type { Tx } from "./store.ts";

/** Texts of inserts by table and columns; a handful, since rows are written in few places. */
const texts = new Map<string, string>();

/**
 * Inserts one row. Building the text of a wide insert costs several times what running it does, and
 * intake makes four of them for each push, so a text is built once and used again. False: there is
 * such a row already, and `unlessKnown` says that this is fine.
 */
export async function insertRow<T extends keyof Tables>(
  { db }: Pick<Tx, "db">,
  table: T,
  row: Tables[T],
  unlessKnown?: "or nothing",
): Promise<boolean> {
  const key = `${table} ${unlessKnown ?? ""} ${Object.keys(row).join(" ")}`;
  const text = texts.get(key) ?? textOf({ db }, table, row, unlessKnown);
  texts.set(key, text);
  const { numAffectedRows } = await db.executeQuery(CompiledQuery.raw(text, Object.values(row)));
  return numAffectedRows === 1n;
}

function textOf<T extends keyof Tables>(
  { db }: Pick<Tx, "db">,
  table: T,
  row: Tables[T],
  unlessKnown: "or nothing" | undefined,
): string {
  const insert = db.insertInto(table).values(row as never);
  const made = unlessKnown ? insert.onConflict((conflict) => conflict.doNothing()) : insert;
  return made.compile().sql;
}
