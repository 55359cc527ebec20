import { CompiledQuery } from "kysely";
import type { Tables } from "./schema.ts";
import type { Tx } from "./store.ts";

const ROWS_AT_ONCE = 64;
const texts = new Map<string, string>();

/**
 * Inserts many rows of one table, so many at a time that preparing costs little, by texts that are
 * made once. `rest` is what follows the values: the rule for rows that are there already.
 */
export async function insertRows<T extends keyof Tables>(
  tx: Pick<Tx, "db">,
  table: T,
  rows: readonly Tables[T][],
  rest: string,
): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  const columns = Object.keys(first);
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    const some = rows.slice(at, at + ROWS_AT_ONCE);
    // What is left over goes one by one: two texts for each table, not 64.
    const groups = some.length === ROWS_AT_ONCE ? [some] : some.map((row) => [row]);
    for (const group of groups) {
      const text = textFor(table, columns, group.length, rest);
      const values = group.flatMap((row) =>
        columns.map((column) => row[column as keyof typeof row]),
      );
      await tx.db.executeQuery(CompiledQuery.raw(text, values));
    }
  }
}

function textFor(table: string, columns: readonly string[], count: number, rest: string): string {
  const key = `${table} ${count} ${rest} ${columns.join(" ")}`;
  const known = texts.get(key);
  if (known !== undefined) return known;
  const names = columns.map((column) => `"${column}"`).join(", ");
  const row = `(${columns.map(() => "?").join(", ")})`;
  const rows = Array.from({ length: count }, () => row).join(", ");
  const text = `insert into "${table}" (${names}) values ${rows} ${rest}`;
  texts.set(key, text);
  return text;
}
