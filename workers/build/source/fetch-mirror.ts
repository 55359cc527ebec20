import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { UserFault } from "../../../src/domain/faults.ts";
import { deadlineIn } from "../../../src/shared/deadline.ts";
import { fetchInto } from "./fetch-commit.ts";
import type { FetchDeps, FetchRequest, Mirror } from "./fetch-commit.ts";
import { fetchFault, refusedByDisk } from "./fetch-problem.ts";
import { GitFailed } from "./git.ts";
import { packBytes } from "./stored-mirrors.ts";

export const FETCH_TIMEOUT_MS = 10 * 60 * 1_000;
const SIZE_CHECK_MS = 2_000;
const MIRROR_BYTES_MAX = 5 * 1024 ** 3;

export interface FetchLimits {
  readonly bytesMax?: number;
  readonly fetchMs?: number;
}

/** Fetches into a mirror, which is made if need be, within its limits of size and time. */
export async function fetchWithin(
  deps: FetchDeps & FetchLimits,
  gitDir: string,
  request: FetchRequest,
  signal: AbortSignal,
): Promise<Mirror> {
  const { bytesMax = MIRROR_BYTES_MAX, fetchMs = FETCH_TIMEOUT_MS } = deps;
  using limit = deadlineIn(fetchMs);
  const oversize = new AbortController();
  const within = AbortSignal.any([signal, limit.signal, oversize.signal]);
  const watch = watchSize(gitDir, { bytesMax, oversize, until: within });
  try {
    const mirror = await fetchRepairing(deps, gitDir, request, within);
    // One that was fetched faster than its size was looked at.
    if ((await packBytes(gitDir)) > bytesMax) oversize.abort(new Error("Too large."));
    within.throwIfAborted();
    return mirror;
  } catch (err) {
    signal.throwIfAborted();
    await removePartialPacks(gitDir);
    if (oversize.signal.aborted) throw overLimit(`more than ${bytesMax / 1024 ** 3} GiB`, err);
    if (limit.signal.aborted) throw overLimit(`longer than ${fetchMs / 60_000} min`, err);
    throw err;
  } finally {
    oversize.abort();
    await watch;
  }
}

/** A mirror that git cannot work with is removed, and fetched anew once. */
async function fetchRepairing(
  deps: FetchDeps,
  gitDir: string,
  request: FetchRequest,
  signal: AbortSignal,
): Promise<Mirror> {
  const isNew = await create(deps, gitDir, request, signal);
  try {
    return await fetchInto(deps, gitDir, request, signal);
  } catch (err) {
    if (isNew || !(err instanceof GitFailed)) throw fetchFault(err, request);
    await discard(gitDir);
    // Fetching anew would hide from everybody what the disk does, and a full one has no room for it.
    if (refusedByDisk(err.stderr)) throw fetchFault(err, request);
  }
  await create(deps, gitDir, request, signal);
  return await fetchInto(deps, gitDir, request, signal).catch((err: unknown) => {
    throw fetchFault(err, request);
  });
}

/** True when there was none yet. A half-made one never gets the name. */
async function create(
  { git }: FetchDeps,
  gitDir: string,
  { sha }: FetchRequest,
  signal: AbortSignal,
): Promise<boolean> {
  const exists = await stat(join(gitDir, "source", "HEAD")).catch(() => undefined);
  if (exists) return false;
  await discard(gitDir);

  const draft = `${gitDir}.${randomUUID()}.new`;
  await mkdir(draft, { recursive: true });
  const init = [
    "init",
    "--quiet",
    "--bare",
    `--object-format=${sha.length === 64 ? "sha256" : "sha1"}`,
  ];
  await git.run(init, { gitDir: draft, signal });
  await git.run(init, { gitDir: join(draft, "source"), signal });
  await mkdir(join(draft, "info"), { recursive: true });
  await writeFile(join(draft, "info", "attributes"), "* -export-ignore -export-subst\n");
  await mkdir(join(draft, "source", "objects", "info"), { recursive: true });
  await writeFile(join(draft, "source", "objects", "info", "alternates"), "../../objects\n");
  await rename(draft, gitDir);
  return true;
}

/** Out of the way at once; whoever still reads it keeps the files it has open. */
async function discard(gitDir: string): Promise<void> {
  const old = `${gitDir}.${randomUUID()}.old`;
  const moved = await rename(gitDir, old).then(
    () => true,
    () => false,
  );
  if (moved) await rm(old, { recursive: true, force: true });
}

function overLimit(how: string, cause: unknown): UserFault {
  return new UserFault("CHECKOUT_LIMIT", `Fetching the repo takes ${how}.`, {
    hint: "Make the history smaller, or ask an admin to raise the limit of the checkout.",
    cause,
  });
}

async function watchSize(
  gitDir: string,
  watch: {
    readonly bytesMax: number;
    readonly oversize: AbortController;
    readonly until: AbortSignal;
  },
): Promise<void> {
  while (!watch.until.aborted) {
    await delay(SIZE_CHECK_MS, undefined, { signal: watch.until }).catch(() => undefined);
    if (watch.until.aborted) return;
    if ((await packBytes(gitDir)) > watch.bytesMax) watch.oversize.abort(new Error("Too large."));
  }
}

/** A fetch that was stopped leaves what it had so far, and git removes that only weeks later. */
async function removePartialPacks(gitDir: string): Promise<void> {
  const dir = join(gitDir, "objects", "pack");
  const names = await readdir(dir).catch(() => []);
  const partial = names.filter((name) => name.startsWith("tmp_"));
  await Promise.all(partial.map((name) => rm(join(dir, name), { force: true })));
}
