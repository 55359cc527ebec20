import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Tables } from "../../../src/server/store/schema.ts";
import type { CrashImage } from "./crash-image.ts";

/** The records of a crash image, as SQLite makes them good. */
export interface ImageRecords {
  readonly problems: readonly string[];
  /** Names all that is in it. */
  readonly digest: string;
  all<T extends keyof Tables>(table: T): readonly Tables[T][];
}

const DATABASE = "tatara.db";
const FILES = [DATABASE, `${DATABASE}-wal`, `${DATABASE}-journal`];

/** Opens each database that differs from all before, as the next start would. */
export function imageRecords(dir: string): (image: CrashImage) => Promise<ImageRecords> {
  const known = new Map<string, ImageRecords>();
  return async (image) => {
    const key = FILES.map((name) => image.get(name)?.key ?? "").join();
    const found = known.get(key) ?? (await readRecords(image, dir));
    known.set(key, found);
    return found;
  };
}

async function readRecords(image: CrashImage, dir: string): Promise<ImageRecords> {
  const folder = await mkdtemp(join(dir, "records-"));
  try {
    for (const name of FILES) {
      const kept = image.get(name);
      if (kept !== undefined) await writeFile(join(folder, name), kept.bytes());
    }
    return openRecords(join(folder, DATABASE));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function openRecords(path: string): ImageRecords {
  const rows = new Map<string, readonly unknown[]>();
  const problems: string[] = [];
  try {
    using database = new Database(path);
    for (const check of ["integrity_check", "foreign_key_check"]) {
      for (const row of database.all(`PRAGMA ${check}`)) {
        const text = JSON.stringify(row);
        if (!text.includes('"ok"')) problems.push(`${check}: ${text}`);
      }
    }
    const names = database.all("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name");
    for (const { name } of names as { readonly name: string }[]) {
      rows.set(name, database.all(`SELECT * FROM "${name}"`));
    }
  } catch (err) {
    problems.push(err instanceof Error ? err.message : String(err));
  }
  const digest = createHash("sha1")
    .update(JSON.stringify([...rows]))
    .digest("hex");
  return {
    problems,
    digest,
    all: <T extends keyof Tables>(table: T) => (rows.get(table) ?? []) as readonly Tables[T][],
  };
}

class Database implements Disposable {
  readonly #database: DatabaseSync;

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
  }

  all(sql: string): readonly unknown[] {
    return this.#database.prepare(sql).all();
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
