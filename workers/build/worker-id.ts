import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

const ID = /^[a-z0-9-]{1,64}$/;

/** This worker's own id, the same in each of its lives, so that it knows what it left behind. */
export async function readWorkerId(dir: string, name: string): Promise<string> {
  const path = join(dir, "id");
  const known = (await readFile(path, "utf8").catch(() => "")).trim();
  if (ID.test(known)) return known;

  const prefix = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 40);
  const id = `${prefix === "" ? "worker" : prefix}-${randomUUID().slice(0, 8)}`;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writeFile(`${path}.new`, `${id}\n`, { flush: true });
  await rename(`${path}.new`, path);
  return id;
}
