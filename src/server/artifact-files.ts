import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { makeFolder, syncPath } from "../shared/durable.ts";

/** Largest file that a job may upload. */
export const ARTIFACT_BYTES_MAX = 2 * 1024 ** 3;
/** A worker uploads a file some time before it says what for. */
export const UPLOAD_GRACE_MS = 24 * 60 * 60_000;

export type ArtifactFiles = ReturnType<typeof openArtifactFiles>;

/** Files that jobs uploaded, named by their content. */
export function openArtifactFiles(dir: string) {
  const isDigest = (text: string): boolean => /^[0-9a-f]{64}$/.test(text);
  const pathOf = (sha256: string): string => join(dir, sha256.slice(0, 2), sha256);
  const find = async (sha256: string): Promise<{ path: string; sizeBytes: number } | undefined> => {
    if (!isDigest(sha256)) return undefined;
    return await stat(pathOf(sha256)).then(
      ({ size }) => ({ path: pathOf(sha256), sizeBytes: size }),
      () => undefined,
    );
  };
  return {
    find,
    /** Removes a file that nobody has uploaded since then. */
    remove: async (sha256: string, unusedSince: number): Promise<void> => {
      const found = isDigest(sha256)
        ? await stat(pathOf(sha256)).catch(() => undefined)
        : undefined;
      if (found !== undefined && found.mtimeMs < unusedSince) await rm(pathOf(sha256));
    },
    /**
     * Names of what lies in one of the 256 folders and was not uploaded since then: digests, and what is
     * left of uploads that broke off.
     */
    olderThan: async (folder: number, uploadedBefore: number): Promise<readonly string[]> => {
      const name = (folder % 256).toString(16).padStart(2, "0");
      const found = await readdir(join(dir, name)).catch(() => []);
      const old: string[] = [];
      for (const one of found) {
        const file = await stat(join(dir, name, one)).catch(() => undefined);
        if (file !== undefined && file.mtimeMs < uploadedBefore) old.push(one);
      }
      return old;
    },
    /** Removes what is left of an upload that broke off. */
    removePart: async (name: string): Promise<void> => {
      if (/^[0-9a-f]{64}\.[a-z0-9-]+$/.test(name)) await rm(join(dir, name.slice(0, 2), name));
    },
    read: (sha256: string): Readable => createReadStream(pathOf(sha256)),
    /** Stores a stream under its digest; "mismatch" when it is not what it was said to be. */
    store: async (
      sha256: string,
      body: Readable,
      newId: (prefix: string) => string,
    ): Promise<"stored" | "mismatch" | "too-large"> => {
      // It comes from a worker's address and would become a path.
      if (!isDigest(sha256)) return "mismatch";
      const known = await find(sha256);
      if (known !== undefined) {
        // As good as new: what is swept was not uploaded for long.
        await utimes(known.path, new Date(), new Date());
        body.resume();
        return "stored";
      }
      const path = pathOf(sha256);
      await makeFolder(dirname(path));
      const partPath = `${path}.${newId("part")}`;
      try {
        const verdict = await writeBody(partPath, sha256, body);
        // The bytes are on disk before the name is, and the name before anybody is told.
        if (verdict === "stored") {
          await rename(partPath, path);
          await syncPath(dirname(path));
          // Another upload may have made the folder, and be slower than this one.
          await syncPath(dir);
        }
        return verdict;
      } finally {
        // It may be the disk that refused; the sweep finds what is left.
        await rm(partPath, { force: true }).catch(() => undefined);
      }
    },
  };
}

async function writeBody(
  path: string,
  sha256: string,
  body: Readable,
): Promise<"stored" | "mismatch" | "too-large"> {
  const file = await open(path, "wx");
  try {
    const hash = createHash("sha256");
    let sizeBytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > ARTIFACT_BYTES_MAX) return "too-large";
      hash.update(chunk);
      await file.write(chunk);
    }
    if (hash.digest("hex") !== sha256) return "mismatch";
    await file.sync();
    return "stored";
  } finally {
    await file.close();
  }
}
