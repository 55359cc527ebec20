import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { InfraFault } from "../../domain/faults.ts";
import { PLAIN_ENV } from "./gpg.ts";
import { keyRing, servedText, signingKey } from "./key-ring.ts";
import type { KeyRing } from "./key-ring.ts";
import { readKeyStatus, statusOf, withUnreadableRing } from "./key-status.ts";
import type { KeyStatus, Unusable } from "./key-status.ts";

/** Where the keys of a data folder are. */
export interface KeyFolders {
  /** GnuPG home and ring; readable by the publish worker's user only. */
  readonly keysDir: string;
  /** What hosts and the server read. */
  readonly publicDir: string;
}

const LOCK_TIMEOUT_SECONDS = 30;

export function keyFolders(dataDir: string): KeyFolders {
  return { keysDir: join(dataDir, "keys"), publicDir: join(dataDir, "yum", "keys") };
}

export function ringPath(keysDir: string): string {
  return join(keysDir, "rotation.json");
}

/** Undefined if there never was one. One that cannot be read is a fault, not a reason for a new key. */
export async function readRing(keysDir: string): Promise<KeyRing | undefined> {
  const path = ringPath(keysDir);
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw new InfraFault("SIGNING_FAILED", `${path} cannot be read.`, { cause });
  });
  if (text === undefined) return undefined;
  try {
    return keyRing.parse(JSON.parse(text));
  } catch (cause) {
    const message = `${path} is damaged: put it back from a backup of ${keysDir}.`;
    throw new InfraFault("SIGNING_FAILED", message, { cause });
  }
}

/** Only under the lock. What gpg wrote reaches the disk first: a ring names keys that are there. */
export async function writeRing(keysDir: string, ring: KeyRing): Promise<void> {
  await syncTree(keysDir);
  // Its own name too: a ring that is lost means a new key, and hosts trust the old one.
  await syncOne(dirname(keysDir));
  await replaceFile(ringPath(keysDir), `${JSON.stringify(ring, undefined, 2)}\n`, 0o600);
}

/** Puts public keys, fingerprint and status where hosts and the server read them, each at once. */
export async function serveRing(
  publicDir: string,
  ring: KeyRing,
  now: number,
  unusable?: Unusable,
): Promise<void> {
  const status = statusOf(ring, now, unusable);
  const fingerprint = signingKey(ring, now)?.fingerprint;
  const made = await mkdir(publicDir, { recursive: true });
  if (made !== undefined) await syncOne(dirname(publicDir));
  const files = {
    // First, so that a key is served before anything names it.
    "tatara.asc": servedText(ring),
    fingerprint: fingerprint === undefined ? undefined : `${fingerprint}\n`,
    "status.json": status === undefined ? undefined : statusText(status),
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(publicDir, name);
    const present = await readFile(path, "utf8").catch(() => undefined);
    if (text !== undefined && present !== text) await replaceFile(path, text, 0o644);
  }
}

/** Adds to the status that is served that the ring cannot be read; what hosts get stays as it is. */
export async function serveUnreadable(publicDir: string): Promise<void> {
  const status = await readKeyStatus(publicDir);
  if (status === undefined) return;
  const text = statusText(withUnreadableRing(status));
  if (text !== statusText(status)) await replaceFile(join(publicDir, "status.json"), text, 0o644);
}

function statusText(status: KeyStatus): string {
  return `${JSON.stringify(status, undefined, 2)}\n`;
}

/**
 * One at a time works on a ring, be it the publish worker or the command line. A child holds the
 * lock, so the kernel frees it however we end.
 */
export async function withRingLock<T>(
  keysDir: string,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  await mkdir(keysDir, { recursive: true, mode: 0o700 });
  await chmod(keysDir, 0o700);
  const wait = ["--wait", String(LOCK_TIMEOUT_SECONDS)];
  const hold = [...wait, join(keysDir, "lock"), "sh", "-c", "echo held; exec cat"];
  const holder = spawn("flock", hold, { env: PLAIN_ENV, stdio: ["pipe", "pipe", "ignore"] });
  const ended = once(holder, "close");
  ended.catch(() => undefined);
  // Only while it waits: what has begun under the lock also ends under it.
  const stop = (): void => void holder.kill();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const isHeld = await saysHeld(holder.stdout);
    signal.removeEventListener("abort", stop);
    signal.throwIfAborted();
    if (isHeld) return await work();
    const message = `Another process has held the keys in ${keysDir} for ${LOCK_TIMEOUT_SECONDS} s.`;
    throw new InfraFault("SIGNING_FAILED", message);
  } finally {
    signal.removeEventListener("abort", stop);
    holder.stdin.destroy();
    await ended.catch(() => undefined); // Its verdict was that nothing was held.
  }
}

async function saysHeld(stdout: Readable): Promise<boolean> {
  for await (const chunk of stdout as AsyncIterable<Buffer>) {
    if (chunk.includes("held")) return true;
  }
  return false;
}

/** Readers see the old text or the new one; the new one is on the disk when this returns. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const staged = `${path}.${process.pid}.new`;
  await rm(staged, { force: true });
  const file = await open(staged, "wx", mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(staged, path);
  await syncOne(dirname(path));
}

async function syncTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    // Sockets and lock files of gpg come and go.
    if (entry.isFile() || entry.isDirectory()) await syncOne(join(entry.parentPath, entry.name));
  }
  await syncOne(folder);
}

async function syncOne(path: string): Promise<void> {
  const file = await open(path, "r").catch((err: NodeJS.ErrnoException) => {
    // Where we may not look, the folder was made for us, long ago.
    if (err.code === "ENOENT" || err.code === "EACCES") return undefined;
    throw err;
  });
  await file?.sync().finally(() => file.close());
}
