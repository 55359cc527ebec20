import { backup, DatabaseSync } from "node:sqlite";

/** More than any database has: all of it in one step, which nobody's writes can make begin anew. */
const ALL_PAGES = 2_000_000_000;

/**
 * A consistent copy of a database that others write meanwhile: its state of one moment. They are not
 * kept waiting, for readers do not block a writer in WAL mode.
 */
export async function copyDatabase(from: string, to: string): Promise<void> {
  const source = new DatabaseSync(from, { readOnly: true, timeout: 30_000 });
  try {
    await backup(source, to, { rate: ALL_PAGES });
  } finally {
    source.close();
  }
  // One file from now on: no log beside it that could be forgotten.
  const copy = new DatabaseSync(to);
  try {
    copy.exec("PRAGMA journal_mode=DELETE");
  } finally {
    copy.close();
  }
}

/** What a copy says of itself. */
export interface CopyFacts {
  /** What SQLite finds wrong with it; empty: nothing. */
  readonly damage: readonly string[];
  /** Names of the migrations that made it. */
  readonly migrations: readonly string[];
  readonly builds: number;
  /** Channel → the generation that it points at; 0 before its first publish. */
  readonly heads: ReadonlyMap<string, number>;
  /** Packages whose bytes are kept. */
  readonly packages: readonly { readonly sha256: string; readonly fileName: string }[];
}

/** Reads a database that nobody else has open. Throws when it is none of ours. */
export function readCopy(path: string): CopyFacts {
  const copy = new DatabaseSync(path, { readOnly: true });
  const all = (query: string) =>
    copy.prepare(query).all() as readonly Readonly<Record<string, string | number>>[];
  try {
    const damage = all("PRAGMA integrity_check").map((row) => String(row["integrity_check"]));
    const [builds] = all("SELECT count(*) AS count FROM builds");
    return {
      damage: damage.filter((line) => line !== "ok"),
      migrations: all("SELECT name FROM kysely_migration ORDER BY name").map(({ name }) =>
        String(name),
      ),
      builds: Number(builds?.["count"] ?? 0),
      heads: new Map(
        all("SELECT name, head FROM channels").map(({ name, head }) => [
          String(name),
          Number(head),
        ]),
      ),
      packages: all('SELECT "signedSha256", "fileName" FROM packages WHERE "sweptAt" IS NULL').map(
        (row) => ({
          sha256: String(row["signedSha256"]),
          fileName: String(row["fileName"]),
        }),
      ),
    };
  } finally {
    copy.close();
  }
}
