import { posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";
import type { Pack } from "tar-stream";
import { InfraFault } from "../../../src/domain/faults.ts";
import type { StepDetails } from "../../../src/shared/build-messages.ts";
import type { Container } from "../engine.ts";
import { readTarEntries } from "../tar-entries.ts";
import type { TarEntry } from "../tar-entries.ts";
import type { CacheWish } from "./cache-key.ts";
import type { CacheStore, FoundCache } from "./cache-store.ts";

export interface CachePlace {
  /** `~/.npm`, or a path from the root of the workspace. */
  readonly paths: readonly string[];
  readonly home: string;
  readonly workspace: string;
  readonly user: { readonly uid: number; readonly gid: number };
}

/** What was put into a step's container before it started. */
export interface RestoredCache {
  readonly found: FoundCache | undefined;
  /** For the step's log. */
  readonly line: string;
  readonly reuse: StepDetails["reuse"];
}

/** Puts the best cache there is into a container that has not started. */
export async function restoreCache(
  container: Pick<Container, "putArchive">,
  {
    store,
    wish,
    place,
  }: { readonly store: CacheStore; readonly wish: CacheWish; readonly place: CachePlace },
  signal: AbortSignal,
): Promise<RestoredCache> {
  const what = place.paths.join(", ");
  const found = await store.find(wish);
  if (found === undefined) return { found, line: `tatara: no cache of ${what} yet`, reuse: [] };
  const { entry, isExact } = found;
  await putInPlace(container, { found, place, what }, signal);
  const from = `#${entry.buildNumber}`;
  const fit = isExact ? "fits exactly" : "the newest of its kind; lock files or image have changed";
  return {
    found,
    line: `tatara: cache of ${what} from ${from}, ${entry.scope.replace("branch ", "")}: ${fit}`,
    reuse: [
      { what: `${what} from ${from}`.slice(0, 300), savedMs: isExact ? entry.makingMs : null },
    ],
  };
}

/** A damaged archive is removed: the next attempt does without, and so does every later build. */
async function putInPlace(
  container: Pick<Container, "putArchive">,
  {
    found,
    place,
    what,
  }: { readonly found: FoundCache; readonly place: CachePlace; readonly what: string },
  signal: AbortSignal,
): Promise<void> {
  const tar = placed(found.open(), place);
  let damage: Error | undefined;
  tar.once("error", (err) => (damage = err));
  try {
    await container.putArchive(tar, "/", signal);
  } catch (err) {
    if (signal.aborted || damage === undefined) throw err;
    await found.drop();
    const message = `The saved cache of ${what} was damaged, and is removed: ${damage.message}`;
    throw new InfraFault("INTERNAL", message, { cause: err });
  }
}

/**
 * Saves what a passed step has in its cache's paths, if there is no entry that fits exactly. What
 * happened, for the log; undefined: nothing was to be done.
 */
export async function saveCache(
  container: Pick<Container, "getArchive">,
  {
    store,
    wish,
    place,
    restored,
    buildNumber,
    tookMs,
  }: {
    readonly store: CacheStore;
    readonly wish: CacheWish;
    readonly place: CachePlace;
    readonly restored: { readonly entry: Pick<FoundCache["entry"], "makingMs"> } | undefined;
    readonly buildNumber: number;
    readonly tookMs: number;
  },
  signal: AbortSignal,
): Promise<string | undefined> {
  if (wish.writes === null || (await store.has(wish))) return undefined;
  const what = place.paths.join(", ");
  // A step that had an older one took less time than one that starts with nothing.
  const makingMs = Math.round(Math.max(tookMs, restored?.entry.makingMs ?? 0));
  const tar = collected(container, place, signal);
  const verdict = await store.save(wish, { tar, buildNumber, makingMs }, signal);
  if (verdict === "saved") return `tatara: cache of ${what} saved`;
  return verdict === "exists"
    ? undefined
    : `tatara: cache of ${what} not saved: it is larger than an entry may be`;
}

/** Names in an archive: `home/.npm/…`, `workspace/vendor/…`, wherever those folders are. */
function nameOf(path: string): string {
  if (path === "~" || path.startsWith("~/")) return posix.join("home", path.slice(1));
  return posix.join("workspace", path);
}

function targetOf(path: string, { home, workspace }: CachePlace): string {
  const name = nameOf(path);
  const [first = "", ...rest] = name.split("/");
  return posix.join(first === "home" ? home : workspace, ...rest);
}

function collected(
  container: Pick<Container, "getArchive">,
  place: CachePlace,
  signal: AbortSignal,
): Readable {
  const out = pack();
  const collect = async (): Promise<void> => {
    for (const path of place.paths) {
      const tar = await container.getArchive(targetOf(path, place), signal);
      if (tar !== undefined) await appendAs(out, tar, nameOf(path), signal);
    }
    out.finalize();
  };
  collect().catch((err: unknown) => {
    out.destroy(err instanceof Error ? err : new Error(String(err)));
  });
  return Readable.from(out, { objectMode: false });
}

const CACHED_TYPES = new Set(["file", "directory", "symlink", "link"]);

/** The archive's names begin with the last part of the path that was asked for. */
async function appendAs(
  out: Pack,
  tar: NodeJS.ReadableStream,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const rename = (path: string): string => posix.join(name, ...path.split("/").slice(1));
  await copyEntries(out, tar, rename, signal);
}

/** Renames what is in an archive to where its folders are in this container. */
function placed(tar: Readable, place: CachePlace): Readable {
  const out = pack();
  const rename = (name: string): string => {
    const [first, ...rest] = name.split("/");
    return posix.join(first === "home" ? place.home : place.workspace, ...rest).replace(/^\/+/, "");
  };
  const put = async (): Promise<void> => {
    for (const name of foldersOf(place)) {
      const { uid, gid } = place.user;
      out.entry({ name, type: "directory", mode: 0o755, uid, gid });
    }
    await copyEntries(out, tar, rename, new AbortController().signal);
    out.finalize();
  };
  put().catch((err: unknown) => out.destroy(err instanceof Error ? err : new Error(String(err))));
  return Readable.from(out, { objectMode: false });
}

/** Folders between home or workspace and what is cached: the engine would give them to root. */
function foldersOf(place: CachePlace): readonly string[] {
  const folders = place.paths.flatMap((path) => {
    const top = targetOf(path.startsWith("~") ? "~" : ".", place);
    const between: string[] = [];
    let folder = posix.dirname(targetOf(path, place));
    while (folder.startsWith(`${top}/`)) {
      between.unshift(folder.slice(1));
      folder = posix.dirname(folder);
    }
    return between;
  });
  return [...new Set(folders)];
}

async function copyEntries(
  out: Pack,
  tar: NodeJS.ReadableStream,
  rename: (name: string) => string,
  signal: AbortSignal,
): Promise<void> {
  const take = async (entry: TarEntry): Promise<void> => {
    const { header } = entry;
    const { type } = header;
    // A hard link names a file of the archive; a symbolic one is only text until somebody follows it.
    const names = [header.name, ...(type === "link" ? [header.linkname ?? ""] : [])];
    const isOutside = names.some((name) => name.split("/").includes(".."));
    if (!CACHED_TYPES.has(type ?? "") || isOutside) return void entry.resume();
    const linkname = type === "link" ? rename(header.linkname ?? "") : header.linkname;
    const target = out.entry({ ...header, name: rename(header.name), linkname, pax: null });
    if (type === "file") await pipeline(entry, target);
    else entry.resume();
  };
  await readTarEntries(tar, take, signal);
}
