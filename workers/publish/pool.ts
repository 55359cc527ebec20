import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, link, mkdir, readFile, rename, stat, utimes, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { InfraFault } from "../../src/domain/faults.ts";
import { makeFolder, syncPath } from "../../src/shared/durable.ts";
import type { YumLayout } from "../../src/yum/layout.ts";
import type { Hold } from "./held-packages.ts";
import { syncFileSystem } from "./durable.ts";
import { inLanes } from "./in-lanes.ts";

/** A signed RPM in the pool. Its name never means other bytes. */
export interface PooledPackage {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly fileName: string;
}

export interface PackageToPool extends PooledPackage {
  /** Where it is, and stays; in a folder that is removed later. */
  readonly path: string;
  /** Undefined for one that was signed before it came here. */
  readonly unsignedSha256: string | undefined;
  /** Of the header, in seconds: it becomes the file's time, which the metadata tell. */
  readonly buildTime: number;
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
  add(file: PackageToPool): Promise<void>;
  /**
   * The same for many: the file system is brought to the disk once for all their bytes and once for
   * all their names, where one by one each would cost its own.
   */
  addAll(files: readonly Omit<PackageToPool, "accepted">[], signal: AbortSignal): Promise<void>;
  /** Puts a file of somebody else's there as it is: the same inode where that can be, else a copy. */
  adopt(
    file: PooledPackage & { readonly path: string; readonly stagedPath: string },
  ): Promise<void>;
  /** The signed form of this content, if an earlier try left it here whole. */
  findSigned(unsignedSha256: string, hold: Pick<Hold, "add">): Promise<PooledPackage | undefined>;
  /** A package that the server says is here. Throws if it is not. */
  require(pooled: Pick<PooledPackage, "sha256" | "fileName">): Promise<PooledPackage>;
}

const LANES = 8;
const SHA256 = /^[0-9a-f]{64}$/;
export const signedRecord = z.object({
  sha256: z.string().regex(SHA256),
  sizeBytes: z.number().int().positive(),
  fileName: z.string().regex(/^[^/]+\.rpm$/),
});

export function openPool(layout: YumLayout): Pool {
  const record = async (unsignedSha256: string, staged: string, pooled: PooledPackage) => {
    const path = layout.signedRecord(unsignedSha256);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${staged}.json`, JSON.stringify(pooled));
    await rename(`${staged}.json`, path);
  };
  return {
    pathOf: layout.package,
    add: async ({ path: staged, unsignedSha256, buildTime, accepted, ...pooled }) => {
      const path = layout.package(pooled);
      await Promise.all([
        accepted,
        utimes(staged, buildTime, buildTime).then(() => syncPath(staged)),
        makeFolder(dirname(path)),
      ]);
      await linkOnce(staged, path);
      await syncPath(dirname(path));
      // Not synced: one that a crash loses, or half loses, costs a second signature and no more.
      if (unsignedSha256 !== undefined) await record(unsignedSha256, staged, pooled);
    },
    addAll: async (files, signal) => {
      await inLanes(files, LANES, ({ path, buildTime }) => utimes(path, buildTime, buildTime));
      await syncFileSystem(layout.staging, signal);
      await inLanes(files, LANES, async ({ path: staged, unsignedSha256, ...file }) => {
        const { sha256, sizeBytes, fileName } = file;
        const pooled = { sha256, sizeBytes, fileName };
        const path = layout.package(pooled);
        await mkdir(dirname(path), { recursive: true });
        await linkOnce(staged, path);
        if (unsignedSha256 !== undefined) await record(unsignedSha256, staged, pooled);
      });
      await syncFileSystem(layout.yumDir, signal);
    },
    adopt: async ({ path: from, stagedPath, ...pooled }) => {
      const path = layout.package(pooled);
      await makeFolder(dirname(path));
      if (!(await isLinked(from, path))) await copyInto(from, stagedPath, path);
      await syncPath(dirname(path));
    },
    findSigned: async (unsignedSha256, hold) => {
      const pooled = await readRecord(layout.signedRecord(unsignedSha256));
      if (pooled === undefined) return undefined;
      hold.add(pooled.sha256);
      return (await sha256OfFile(layout.package(pooled))) === pooled.sha256 ? pooled : undefined;
    },
    require: async ({ sha256, fileName }) => {
      const found = await stat(layout.package({ sha256, fileName })).catch(() => undefined);
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
    if (codeOf(err) !== "EEXIST") throw err;
  }
}

const NOT_LINKABLE = ["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "EACCES"];

/** False where a link cannot be: another file system, or one that forbids it. */
async function isLinked(from: string, to: string): Promise<boolean> {
  try {
    await linkOnce(from, to);
    return true;
  } catch (err) {
    if (NOT_LINKABLE.includes(codeOf(err) ?? "")) return false;
    throw err;
  }
}

/** A copy keeps the original's time, as a link would. */
async function copyInto(from: string, staged: string, to: string): Promise<void> {
  await copyFile(from, staged);
  const { mtime } = await stat(from);
  await utimes(staged, mtime, mtime);
  await syncPath(staged);
  await linkOnce(staged, to);
}

function codeOf(err: unknown): string | undefined {
  return err instanceof Error && "code" in err ? String(err.code) : undefined;
}

/** Undefined if there is none, or half of one. */
async function readRecord(path: string): Promise<PooledPackage | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return signedRecord.parse(JSON.parse(text));
  } catch {
    return undefined; // A crash came before its bytes reached the disk.
  }
}

/** Undefined if the file is not there. */
export async function sha256OfFile(path: string): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
      hash.update(chunk as Buffer);
    }
    return hash.digest("hex");
  } catch (err) {
    if (codeOf(err) === "ENOENT") return undefined;
    throw err;
  }
}
