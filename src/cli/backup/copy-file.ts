import { createHash } from "node:crypto";
import { chmod, link, mkdir, open, rm, utimes } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";

const CHUNK_BYTES = 1024 * 1024;

export interface Copied {
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly mode: number;
  readonly sha256: string;
}

/** Copies as much as the file has at this moment. Undefined: it is gone. On disk when it resolves. */
export async function copyFile(from: string, to: string): Promise<Copied | undefined> {
  const source = await open(from).catch(noneIfMissing);
  if (source === undefined) return undefined;
  try {
    const { size, mtimeMs, mode } = await source.stat();
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    const target = await open(to, "w", 0o600);
    try {
      const poured = await pour(source, target, size);
      await target.chmod(mode & 0o777);
      await target.sync();
      return { ...poured, mtimeMs, mode: mode & 0o777 };
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function pour(source: FileHandle, target: FileHandle, sizeBytes: number) {
  const hash = createHash("sha256");
  const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, Math.max(1, sizeBytes)));
  let at = 0;
  while (at < sizeBytes) {
    const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, sizeBytes - at), at);
    if (bytesRead === 0) break;
    const bytes = buffer.subarray(0, bytesRead);
    hash.update(bytes);
    await target.write(bytes);
    at += bytesRead;
  }
  return { sizeBytes: at, sha256: hash.digest("hex") };
}

/** The same bytes under another name; false where the file systems do not allow that. */
export async function linkFile(from: string, to: string): Promise<boolean> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  return await link(from, to).then(
    () => true,
    (err: unknown) => {
      const { code } = err as NodeJS.ErrnoException;
      if (["EXDEV", "EMLINK", "EPERM", "ENOENT", "EOPNOTSUPP"].includes(code ?? "")) return false;
      throw err;
    },
  );
}

/** Puts a file of a backup back, with its mode and time. False: its bytes are not what they were. */
export async function putBack(
  from: string,
  to: string,
  wanted: Pick<Copied, "sha256" | "mode" | "mtimeMs">,
): Promise<boolean> {
  const copied = await copyFile(from, to);
  if (copied?.sha256 !== wanted.sha256) {
    await rm(to, { force: true });
    return false;
  }
  await chmod(to, wanted.mode);
  await utimes(to, wanted.mtimeMs / 1_000, wanted.mtimeMs / 1_000);
  return true;
}

/** The digest of a file; undefined: it is gone. */
export async function digestOf(folder: string, path: string): Promise<string | undefined> {
  const file = await open(join(folder, path)).catch(noneIfMissing);
  if (file === undefined) return undefined;
  try {
    const hash = createHash("sha256");
    for await (const bytes of file.createReadStream({ autoClose: false })) {
      hash.update(bytes as Buffer);
    }
    return hash.digest("hex");
  } finally {
    await file.close();
  }
}

export function noneIfMissing(err: unknown): undefined {
  if ((err as NodeJS.ErrnoException).code === "ENOENT") return undefined;
  throw err;
}

/** Some work for each, a few at a time. When it ends, also in vain, none of it goes on. */
export async function forEachInLanes<T>(
  all: AsyncIterable<T> | Iterable<T>,
  lanes: number,
  work: (one: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  try {
    for await (const one of all) {
      const task = work(one).finally(() => running.delete(task));
      task.catch(() => undefined); // Whoever waits below is told.
      running.add(task);
      if (running.size >= lanes) await Promise.race(running);
    }
    await Promise.all(running);
  } finally {
    await Promise.allSettled(running);
  }
}
