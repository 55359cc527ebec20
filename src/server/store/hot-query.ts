import type { Compilable, CompiledQuery } from "kysely";
import type { Db } from "./database.ts";
import type { Reader } from "./store.ts";

/**
 * A query that each push asks. To build and print it takes Kysely several times as long as SQLite needs
 * to answer, so its text is made once, with a mark where each given value goes, and used again. It is
 * still checked against the tables; but it sees marks only, so it cannot depend on what is given.
 */
export function hotQuery<Given extends object, Row>(
  build: (db: Db, given: Given) => Compilable<Row>,
): (reader: Pick<Reader, "db">, given: Given) => Promise<readonly Row[]> {
  let made: CompiledQuery<Row> | undefined;
  return async ({ db }, given) => {
    made ??= build(db, MARKS as Given).compile();
    const parameters = made.parameters.map((parameter) =>
      parameter instanceof Mark ? given[parameter.name as keyof Given] : parameter,
    );
    const { rows } = await db.executeQuery<Row>({ ...made, parameters });
    return rows;
  };
}

/** Stands for a value that is given later. */
class Mark {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** Whoever counts with it, or writes it into a text, would do so once and for all. */
  [Symbol.toPrimitive](): never {
    throw new TypeError(`${this.name} is not known yet when a hot query is made.`);
  }
}

/** Has a mark for every name. */
const MARKS: object = new Proxy(
  {},
  { get: (_, name: string | symbol): Mark => new Mark(String(name)) },
);
