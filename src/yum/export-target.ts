import { createReadStream, createWriteStream } from "node:fs";
import { copyFile, link, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { DOCUMENTS } from "./layout.ts";
import type { YumLayout } from "./layout.ts";
import { documentParts, readServedView } from "./served-view.ts";
import type { FilePart, ServedPlace, ServedView } from "./served-view.ts";
import { readSegment } from "./target-state.ts";
import type { ListedPackage } from "./target-state.ts";

export interface ExportOptions {
  /** Hard-link RPMs where that can be done. They are shared with the pool then: do not change them. */
  readonly link: boolean;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Exported {
  readonly packages: number;
  readonly metadataBytes: number;
}

/**
 * Writes a plain directory that any web server can serve: `repodata` with whole files, and the RPMs
 * at the places that they name. Documents are the served bytes one after the other, so all checksums
 * and the signature hold. Into an earlier export of the target it writes what is new, and
 * `repomd.xml` last. Undefined if the generation does not have the target.
 */
export async function exportTarget(
  layout: YumLayout,
  place: ServedPlace,
  folder: string,
  options: ExportOptions,
): Promise<Exported | undefined> {
  const served = await readServedView(layout, place);
  if (served === undefined) return undefined;
  const repodata = join(folder, "repodata");
  await mkdir(repodata, { recursive: true });

  const packages = await exportPackages(layout, served, folder, options);
  let metadataBytes = 0;
  for (const document of DOCUMENTS) {
    const { fileName, sizeBytes } = served.view.documents[document];
    await concatenate(documentParts(layout, served, document), join(repodata, fileName));
    metadataBytes += sizeBytes;
  }
  for (const { fileName, sha256, sizeBytes } of served.extras) {
    await replace(layout.extra(sha256), join(repodata, fileName));
    metadataBytes += sizeBytes;
  }
  for (const name of ["repomd.xml.asc", "repomd.xml"]) {
    await replace(join(served.repodata, name), join(repodata, name));
  }
  return { packages, metadataBytes };
}

async function exportPackages(
  layout: YumLayout,
  { segments, tail, view }: ServedView,
  folder: string,
  { link: isLink, onProgress }: ExportOptions,
): Promise<number> {
  let done = 0;
  const exportAll = async (packages: readonly ListedPackage[]): Promise<void> => {
    for (const each of packages) {
      const to = join(folder, "p", each.sha256, each.fileName);
      await exportPackage(layout.package(each), to, { isLink, sizeBytes: each.sizeBytes });
      done += 1;
    }
    onProgress?.(done, view.packages);
  };
  for (const { id } of segments) await exportAll((await readSegment(layout, id)).packages);
  await exportAll(tail);
  return done;
}

async function exportPackage(
  from: string,
  to: string,
  { isLink, sizeBytes }: { readonly isLink: boolean; readonly sizeBytes: number },
): Promise<void> {
  const present = await stat(to).catch(() => undefined);
  if (present?.size === sizeBytes) return;
  await mkdir(dirname(to), { recursive: true });
  if (isLink && present === undefined) {
    // Another file system, or one that knows no links.
    const isLinked = await link(from, to).then(
      () => true,
      () => false,
    );
    if (isLinked) return;
  }
  await replace(from, to);
}

async function concatenate(parts: readonly FilePart[], to: string): Promise<void> {
  const staged = `${to}.new`;
  await rm(staged, { force: true });
  for (const { path, start, bytes } of parts) {
    if (bytes === 0) continue;
    const source = createReadStream(path, { start, end: start + bytes - 1 });
    await pipeline(source, createWriteStream(staged, { flags: "a" }));
  }
  await moveSynced(staged, to);
}

/** Who reads at the same time gets the old file or the new one. */
async function replace(from: string, to: string): Promise<void> {
  const staged = `${to}.new`;
  await copyFile(from, staged);
  await moveSynced(staged, to);
}

async function moveSynced(staged: string, to: string): Promise<void> {
  const file = await open(staged, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(staged, to);
}
