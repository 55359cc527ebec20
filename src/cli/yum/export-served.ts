import { createHash } from "node:crypto";
import { mkdir, open, rename, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Exported } from "../../yum/export-target.ts";
import { forEachOf } from "./for-each-of.ts";
import { packagesIn, problemsOf, readServed } from "./served-target.ts";
import type { ServedPackage, ServedTarget } from "./served-target.ts";

const FETCHES_AT_ONCE = 4;
/** Where the server has packages; anything else would be another path on this machine. */
const PACKAGE_PATH = /^p\/[0-9a-f]{64}\/[^/]+\.rpm$/;
const FILE_PATH = /^repodata\/[^/]+$/;

/**
 * The same folder as src/yum/export-target.ts makes, fetched from the server. Nothing is kept that is
 * not as it was signed, and the index comes last. Throws Error with a sentence.
 */
export async function exportServed(
  target: ServedTarget,
  folder: string,
  { onProgress, signal }: { onProgress: (done: number) => void; signal: AbortSignal },
): Promise<Exported> {
  await mkdir(join(folder, "repodata"), { recursive: true });
  const files = [];
  for (const file of target.files) {
    if (!FILE_PATH.test(file.href)) throw new Error(`The index names ${file.href}.`);
    const bytes = await readServed(target.base + file.href, file.sizeBytes + 1, signal);
    const [problem] = await problemsOf(file, bytes);
    if (problem !== undefined) throw new Error(`${file.href}: ${problem}`);
    files.push({ ...file, bytes });
  }
  const primary = files.find(({ type }) => type === "primary");
  if (primary === undefined) throw new Error("The index names no primary metadata.");

  let packages = 0;
  await forEachOf(packagesIn(primary.bytes, primary.href), FETCHES_AT_ONCE, async (one) => {
    await exportPackage(target, one, folder, signal);
    packages += 1;
    onProgress(packages);
  });
  for (const { href, bytes } of files)
    await writeWhole(join(folder, "repodata", basename(href)), bytes);
  await writeWhole(join(folder, "repodata", "repomd.xml.asc"), target.signature);
  await writeWhole(join(folder, "repodata", "repomd.xml"), target.repomd);
  return { packages, metadataBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}

async function exportPackage(
  { base }: ServedTarget,
  { href, sha256, sizeBytes }: ServedPackage,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  if (!PACKAGE_PATH.test(href)) throw new Error(`The index names ${href}.`);
  const path = join(folder, href);
  if ((await stat(path).catch(() => undefined))?.size === sizeBytes) return;
  const bytes = await readServed(base + href, sizeBytes + 1, signal);
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== sha256) throw new Error(`${href}: sha256 is ${found}.`);
  await mkdir(dirname(path), { recursive: true });
  await writeWhole(path, bytes);
}

/** Who reads at the same time gets the old file or the new one. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const staged = `${path}.new`;
  const file = await open(staged, "w");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(staged, path);
}
