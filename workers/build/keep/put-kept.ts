import { createReadStream } from "node:fs";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";
import type { Pack } from "tar-stream";
import type { KeptCopy } from "./job-kept.ts";

/** A tar of kept files with their folders, for the user of the step that they are put in place for. */
export function keptTar(
  files: readonly KeptCopy[],
  owner: { readonly uid: number; readonly gid: number },
): Readable {
  const tar = pack();
  appendKept(tar, files, owner).then(
    () => tar.finalize(),
    (err: unknown) => tar.destroy(err instanceof Error ? err : new Error(String(err))),
  );
  return Readable.from(tar, { objectMode: false });
}

export async function appendKept(
  tar: Pack,
  files: readonly KeptCopy[],
  { uid, gid }: { readonly uid: number; readonly gid: number },
): Promise<void> {
  const folders = new Set(files.flatMap(({ path }) => foldersAbove(path)));
  for (const name of [...folders].toSorted()) {
    tar.entry({ name, type: "directory", mode: 0o755, uid, gid });
  }
  for (const { path, diskPath, sizeBytes, isExecutable } of files) {
    const mode = isExecutable ? 0o755 : 0o644;
    const entry = tar.entry({ name: path, type: "file", size: sizeBytes, mode, uid, gid });
    await pipeline(createReadStream(diskPath), entry);
  }
}

function foldersAbove(path: string): readonly string[] {
  const folder = posix.dirname(path);
  return folder === "." ? [] : [...foldersAbove(folder), folder];
}
