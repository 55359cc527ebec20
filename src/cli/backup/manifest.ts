import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { CommandError, EXIT } from "../exit-codes.ts";

export const MANIFEST = "manifest.jsonl";

const header = z.object({
  format: z.literal(1),
  /** Tatara's version that made it. */
  version: z.string(),
  /** When the database was copied: the moment that the backup shows. */
  takenAt: z.string(),
  migrations: z.array(z.string()),
  /** See `FolderModes`; absent in older backups. */
  folders: z.record(z.string(), z.number().int()).optional(),
});
export type BackupHeader = Readonly<z.infer<typeof header>>;

const entry = z.object({
  /** Below the data folder, with `/`. */
  path: z.string(),
  sizeBytes: z.number().int().nonnegative(),
  /** Of the original, for the next backup: what has not changed is not read again. */
  mtimeMs: z.number(),
  mode: z.number().int(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type BackupEntry = Readonly<z.infer<typeof entry>>;

/** Every file of a backup with its digest. */
export interface Manifest {
  readonly header: BackupHeader;
  readonly entries: ReadonlyMap<string, BackupEntry>;
}

const end = z.object({ files: z.number().int() });

/** Written last: a folder without it is no backup. */
export async function writeManifest(folder: string, { header: first, entries }: Manifest) {
  const file = await open(join(folder, MANIFEST), "wx", 0o600);
  try {
    const lines = [first, ...entries.values(), { files: entries.size }];
    for (const line of lines) await file.write(`${JSON.stringify(line)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Throws a `CommandError` for a folder that is no whole backup. */
export async function readManifest(folder: string): Promise<Manifest> {
  const values: unknown[] = [];
  try {
    const lines = createInterface({ input: createReadStream(join(folder, MANIFEST)) });
    for await (const line of lines) values.push(JSON.parse(line));
  } catch (cause) {
    throw noBackup(folder, cause instanceof Error ? cause.message : String(cause));
  }
  const first = header.safeParse(values[0]);
  const last = end.safeParse(values.at(-1));
  const files = z.array(entry).safeParse(values.slice(1, -1));
  if (!first.success || !last.success || !files.success) {
    throw noBackup(folder, `${MANIFEST} is not of this version, or damaged`);
  }
  if (files.data.length !== last.data.files) throw noBackup(folder, `${MANIFEST} is cut off`);
  const safe = files.data.filter(({ path }) => isInside(path));
  return { header: first.data, entries: new Map(safe.map((one) => [one.path, one])) };
}

/** A path that leads nowhere but below the folder. */
function isInside(path: string): boolean {
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

function noBackup(folder: string, why: string): CommandError {
  const hint = "name the folder that `tatara backup` printed";
  return new CommandError(EXIT.failed, `${folder} is no whole backup: ${why}.`, hint);
}
