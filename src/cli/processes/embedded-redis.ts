import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { createHash } from "node:crypto";
import { lstat, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Launch } from "./supervised.ts";

/** `sun_path` holds 108 bytes with its end mark. */
const SOCKET_PATH_BYTES_MAX = 107;
const SOCKET = "redis.sock";
/** So many starts in a row have failed. */
const SET_ASIDE_AFTER = 1;
const FORGET_AFTER = 2;

export interface EmbeddedRedis {
  /** A path, which ioredis takes as an address. */
  readonly url: string;
  /** After failed starts it gives up what keeps it from starting: nothing of Tatara depends on it. */
  launch(env: Readonly<Record<string, string>>, failedStarts: number): Launch;
  dispose(): Promise<void>;
}

/** A Redis of our own, reachable by its socket only; it ends with us. */
export async function prepareRedis(dataDir: string): Promise<EmbeddedRedis> {
  const dir = join(dataDir, "redis");
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const isShort = Buffer.byteLength(join(dir, SOCKET)) <= SOCKET_PATH_BYTES_MAX;
  const socketDir = isShort ? dir : await shortFolder(dir);
  const socket = join(socketDir, SOCKET);

  return {
    url: socket,
    launch: (env, failedStarts) => {
      // Whoever emptied the folder may have taken it along.
      mkdirSync(socketDir, { recursive: true, mode: 0o700 });
      if (failedStarts === SET_ASIDE_AFTER) setAside(dir);
      return {
        command: "setpriv",
        args: ["--pdeathsig", "TERM", "redis-server", "-"],
        env,
        stdin: configuration(dir, socket, { isKept: failedStarts < FORGET_AFTER }),
      };
    },
    dispose: async () => {
      await rm(isShort ? socket : socketDir, { recursive: true, force: true });
    },
  };
}

/** It cannot read its own file: it starts empty, and the reconciler fills the queues again. */
function setAside(dir: string): void {
  const files = join(dir, "appendonlydir");
  if (!existsSync(files)) return;
  rmSync(`${files}.broken`, { recursive: true, force: true });
  renameSync(files, `${files}.broken`);
}

/** The same one each time, so that nothing piles up after kills; but never one that others made. */
async function shortFolder(dir: string): Promise<string> {
  const name = `tatara-redis-${createHash("sha256").update(dir).digest("hex").slice(0, 12)}`;
  const folder = join(tmpdir(), name);
  await mkdir(folder, { mode: 0o700 }).catch(() => undefined); // It may be there.
  const { uid, mode } = await lstat(folder);
  const isOurs = uid === process.getuid?.() && (mode & 0o077) === 0;
  return isOurs ? folder : mkdtemp(join(tmpdir(), "tatara-redis-"));
}

export function isRedisReady(line: string): true | undefined {
  // Over TCP the sentence begins with "Ready", at a socket it ends with this.
  return /ready to accept connections/i.test(line) ? true : undefined;
}

function configuration(
  dir: string,
  socket: string,
  { isKept }: { readonly isKept: boolean },
): string {
  return [
    "port 0",
    `unixsocket ${quoted(socket)}`,
    "unixsocketperm 700",
    `dir ${quoted(isKept ? dir : dirname(socket))}`,
    `appendonly ${isKept ? "yes" : "no"}`,
    "appendfsync everysec",
    'save ""',
    "maxmemory-policy noeviction",
    "",
  ].join("\n");
}

function quoted(path: string): string {
  return `"${path.replace(/[\\"]/g, "\\$&")}"`;
}
