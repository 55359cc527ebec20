import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { InfraFault } from "../../src/domain/faults.ts";
import { makeFolder, renameSynced, syncPath, writeSynced } from "./durable.ts";

/** A signed RPM in the pool. Its name never means other bytes. */
export interface PooledPackage {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly fileName: string;
}

export interface NewPackage extends PooledPackage {
  /** Where it is, and stays; in a folder that is removed later. */
  readonly path: string;
  readonly unsignedSha256: string;
  /** Resolves when it may enter. What can be prepared before is. */
  readonly accepted: Promise<void>;
}

/**
 * Signed RPMs by their sha256, stored once for all channels and targets; beside them which unsigned
 * content each was made from, so that a second try signs nothing again.
 */
export interface Pool {
  pathOf(pooled: Pick<PooledPackage, "sha256" | "fileName">): string;
  /** Resolves once the file is in the pool and on the disk. */
  add(file: NewPackage): Promise<void>;
  /** The signed form of this content, if an earlier try left it here whole. */
  findSigned(unsignedSha256: string): Promise<PooledPackage | undefined>;
  /** A package that the server says is here. Throws if it is not. */
  require(pooled: Pick<PooledPackage, "sha256" | "fileName">): Promise<PooledPackage>;
}

const SHA256 = /^[0-9a-f]{64}$/;
const signedRecord = z.object({
  sha256: z.string().regex(SHA256),
  sizeBytes: z.number().int().positive(),
  fileName: z.string().regex(/^[^/]+\.rpm$/),
});

export function openPool(yumDir: string): Pool {
  const pathOf: Pool["pathOf"] = ({ sha256, fileName }) =>
    join(yumDir, "pool", sha256.slice(0, 2), sha256, fileName);
  const recordPathOf = (sha256: string): string =>
    join(yumDir, "signed", sha256.slice(0, 2), `${sha256}.json`);

  return {
    pathOf,
    add: async ({ path: staged, unsignedSha256, accepted, ...pooled }) => {
      const path = pathOf(pooled);
      const recordPath = recordPathOf(unsignedSha256);
      const stagedRecord = `${staged}.json`;
      await Promise.all([
        accepted,
        syncPath(staged),
        makeFolder(dirname(path)),
        makeFolder(dirname(recordPath)),
        writeSynced(stagedRecord, JSON.stringify(pooled)),
      ]);
      await linkOnce(staged, path);
      await syncPath(dirname(path));
      // Last, since it says that the file is there whole.
      await renameSynced(stagedRecord, recordPath);
    },
    findSigned: async (unsignedSha256) => {
      const pooled = await readRecord(recordPathOf(unsignedSha256));
      if (pooled === undefined) return undefined;
      return (await sha256OfFile(pathOf(pooled))) === pooled.sha256 ? pooled : undefined;
    },
    require: async ({ sha256, fileName }) => {
      const path = pathOf({ sha256, fileName });
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined) return { sha256, fileName, sizeBytes: found.size };
      throw new InfraFault("PUBLISH_FAILED", `${fileName} is published but not in the pool.`);
    },
  };
}

/** A name that is there already has the same bytes, since its folder is called after them. */
async function linkOnce(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (err) {
    if (!(err instanceof Error && "code" in err && err.code === "EEXIST")) throw err;
  }
}

async function readRecord(path: string): Promise<PooledPackage | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  return text === undefined ? undefined : signedRecord.parse(JSON.parse(text));
}

/** Undefined if the file is not there. */
async function sha256OfFile(path: string): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
      hash.update(chunk as Buffer);
    }
    return hash.digest("hex");
  } catch (err) {
    if (err instanceof Error && "code" in err && err.code === "ENOENT") return undefined;
    throw err;
  }
}
