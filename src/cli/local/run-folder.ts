import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { isRepoName } from "../../domain/push.ts";
import type { Env } from "../../shared/config.ts";

/** A folder for one run, gone with it. */
export async function runFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(await realpath(tmpdir()), "tatara-run-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Where this person's programs keep what they can make again. */
export function cacheFolder(env: Env): string {
  const base = env["XDG_CACHE_HOME"] ?? join(env["HOME"] ?? tmpdir(), ".cache");
  return join(base, "tatara", "run");
}

/** A folder without a remote has a name too, and it looks like any other. */
export function nameWithoutRemote(root: string): string {
  const name = `local/${basename(root).replace(/[^A-Za-z0-9._-]+/g, "-")}`;
  return isRepoName(name) ? name : "local/folder";
}
