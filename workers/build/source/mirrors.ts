import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { deadlineIn } from "../../../src/shared/deadline.ts";
import { InfraFault, UserFault } from "../../../src/domain/faults.ts";
import { isRefName, isSha, isTryRef } from "../../../src/domain/push.ts";
import { fetchProblem, refusedByDisk } from "./fetch-problem.ts";
import { GitFailed } from "./git.ts";
import type { Git, GitOptions } from "./git.ts";
import { noteUse, packBytes, storedMirrors } from "./stored-mirrors.ts";
import type { Stored } from "../stored.ts";

const FETCH_TIMEOUT_MS = 10 * 60 * 1_000;
const SIZE_CHECK_MS = 2_000;
const PACKS_MAX = 40;
export const MIRROR_BYTES_MAX = 5 * 1024 ** 3;

export interface FetchRequest {
  readonly repo: string;
  readonly url: string;
  /** Value of the HTTP Authorization header. */
  readonly authorization: string | null;
  readonly ref: string;
  readonly sha: string;
}

/** A bare copy of a repo on this worker, with at least the commit that was asked for. */
export interface Mirror {
  /** Shows each tree exactly as it was pushed. */
  readonly gitDir: string;
  /** The same objects; archives made here honour the repo's own attributes. */
  readonly sourceGitDir: string;
  /** The commit itself, with tags peeled. */
  readonly sha: string;
}

export interface MirrorDeps {
  readonly dir: string;
  readonly git: Git;
  /** Beginnings of addresses that may be fetched over plain http. */
  readonly httpPrefixes: readonly string[];
  readonly bytesMax?: number;
  readonly fetchMs?: number;
}

export interface Mirrors {
  /** Fetches the ref and all tags, and makes sure that the commit is there. */
  fetch(request: FetchRequest, signal: AbortSignal): Promise<Mirror>;
  /** Fetches a branch of a repo that was fetched before; its newest commit, if there is such a branch. */
  headOf(
    branch: string,
    request: Omit<FetchRequest, "ref" | "sha">,
    signal: AbortSignal,
  ): Promise<string | undefined>;
  /** All mirrors; one that is being fetched into is removed after that. */
  stored(signal: AbortSignal): Promise<readonly Stored[]>;
  /** Each fetch adds a pack: packs that became many become one. Harmless while fetches go on. */
  tidy(signal: AbortSignal): Promise<void>;
}

export function openMirrors(deps: MirrorDeps): Mirrors {
  const lockOf = locks();

  return {
    fetch: async (request, signal) => {
      const isKnownRef = isRefName(request.ref) || isTryRef(request.ref);
      if (!isSha(request.sha) || !isKnownRef) {
        throw new InfraFault("CANNOT_FETCH", `"${request.ref}" is no ref that can be fetched.`);
      }
      const gitDir = join(deps.dir, nameOf(request));
      return await lockOf(gitDir, async () => {
        const mirror = await fetchWithin(deps, gitDir, request, signal);
        await noteUse(gitDir);
        return mirror;
      });
    },
    headOf: async (branch, request, signal) => {
      const ref = `refs/heads/${branch}`;
      if (!isRefName(ref)) return undefined;
      const gitDir = join(deps.dir, nameOf(request));
      const limit = AbortSignal.any([signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)]);
      const head = async () => await fetchHead(deps, gitDir, { ...request, ref }, limit);
      return await lockOf(gitDir, head).catch((err: unknown) => {
        signal.throwIfAborted();
        throw faultOf(err, request);
      });
    },
    stored: (signal) => storedMirrors({ dir: deps.dir, lockOf }, signal),
    tidy: async (signal) => {
      for (const name of await readdir(deps.dir).catch(() => [])) {
        if (name.endsWith(".git")) await tidyMirror(deps.git, join(deps.dir, name), signal);
      }
    },
  };
}

/** Readable, and unique even where two addresses differ only in what a file name cannot show. */
function nameOf({ repo, url }: Pick<FetchRequest, "repo" | "url">): string {
  const digest = createHash("sha256").update(url).digest("hex").slice(0, 16);
  return `${repo.replace(/[^A-Za-z0-9]+/g, "-").slice(0, 60)}-${digest}.git`;
}

/** One fetch into a mirror at a time. */
function locks() {
  const tails = new Map<string, Promise<unknown>>();
  return async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const before = tails.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    tails.set(key, mine);
    try {
      return await mine;
    } finally {
      if (tails.get(key) === mine) tails.delete(key);
    }
  };
}

async function fetchWithin(
  deps: MirrorDeps,
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
  deps: MirrorDeps,
  gitDir: string,
  request: FetchRequest,
  signal: AbortSignal,
): Promise<Mirror> {
  const isNew = await create(deps, gitDir, request, signal);
  try {
    return await fetchInto(deps, gitDir, request, signal);
  } catch (err) {
    if (isNew || !(err instanceof GitFailed)) throw faultOf(err, request);
    await discard(gitDir);
    // Fetching anew would hide from everybody what the disk does, and a full one has no room for it.
    if (refusedByDisk(err.stderr)) throw faultOf(err, request);
  }
  await create(deps, gitDir, request, signal);
  return await fetchInto(deps, gitDir, request, signal).catch((err: unknown) => {
    throw faultOf(err, request);
  });
}

/** True when there was none yet. A half-made one never gets the name. */
async function create(
  { git }: MirrorDeps,
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

async function fetchInto(
  deps: MirrorDeps,
  gitDir: string,
  request: FetchRequest,
  signal: AbortSignal,
): Promise<Mirror> {
  const options = fetchOptions(deps, gitDir, request, signal);
  const missingRef = await fetchRefs(deps.git, request, options);
  const sha =
    (await findCommit(deps.git, gitDir, request.sha, signal)) ??
    (await fetchBySha(deps.git, request, options, missingRef));
  return { gitDir, sourceGitDir: join(gitDir, "source"), sha };
}

function fetchOptions(
  { httpPrefixes }: MirrorDeps,
  gitDir: string,
  { url, authorization }: Pick<FetchRequest, "url" | "authorization">,
  signal: AbortSignal,
): GitOptions {
  const header =
    authorization === null
      ? {}
      : { [`http.${url}.extraHeader`]: `Authorization: ${authorization}` };
  const allowHttp = httpPrefixes.some((prefix) => url.startsWith(`${prefix}/`));
  return { gitDir, signal, config: header, allowHttp };
}

const FETCH = [
  "fetch",
  "--quiet",
  "--no-tags",
  "--no-write-fetch-head",
  "--no-recurse-submodules",
] as const;

/** Under a name of our own, so that branches `a` and, later, `a/b` do not get into each other's way. */
function keptRef(ref: string): string {
  return `refs/tatara/${createHash("sha256").update(ref).digest("hex").slice(0, 32)}`;
}

async function fetchHead(
  deps: MirrorDeps,
  gitDir: string,
  request: Omit<FetchRequest, "sha">,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { url, ref } = request;
  const options = fetchOptions(deps, gitDir, request, signal);
  try {
    await deps.git.run([...FETCH, "--end-of-options", url, `+${ref}:${keptRef(ref)}`], options);
  } catch (err) {
    if (err instanceof GitFailed && fetchProblem(err.stderr) === "ref-missing") return undefined;
    throw err;
  }
  return await findCommit(deps.git, gitDir, keptRef(ref), signal);
}

/** The reason why the ref could not be had, when that is all that is wrong. */
async function fetchRefs(
  git: Git,
  { url, ref }: FetchRequest,
  options: GitOptions,
): Promise<GitFailed | undefined> {
  const tags = "+refs/tags/*:refs/tags/*";
  const refs = ref.startsWith("refs/tags/") ? [tags] : [`+${ref}:${keptRef(ref)}`, tags];
  try {
    await git.run([...FETCH, "--prune", "--end-of-options", url, ...refs], options);
    return undefined;
  } catch (err) {
    if (err instanceof GitFailed && fetchProblem(err.stderr) === "ref-missing") return err;
    throw err;
  }
}

async function findCommit(
  git: Git,
  gitDir: string,
  sha: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", `${sha}^{commit}`];
  try {
    return (await git.run(args, { gitDir, signal })).toString().trim();
  } catch (err) {
    if (err instanceof GitFailed) return undefined;
    throw err;
  }
}

/** The ref has moved on, or is gone: the commit may still be had by its own name. */
async function fetchBySha(
  git: Git,
  { url, ref, sha }: FetchRequest,
  options: GitOptions,
  missingRef: GitFailed | undefined,
): Promise<string> {
  const gone = async (cause: unknown) => {
    const said = `The repo has no commit ${sha.slice(0, 12)} any more; was the branch force-pushed?`;
    // Tags are fetched by their own names, and none of them holds up another.
    const tip = missingRef
      ? null
      : await findCommit(git, options.gitDir, keptRef(ref), options.signal);
    const where = tip === undefined ? {} : { refTip: tip };
    return new InfraFault("COMMIT_GONE", said, { cause: missingRef ?? cause, ...where });
  };
  try {
    await git.run([...FETCH, "--end-of-options", url, sha], options);
  } catch (err) {
    const problem = err instanceof GitFailed ? fetchProblem(err.stderr) : undefined;
    if (problem !== "commit-missing" && problem !== "ref-missing") throw err;
    throw await gone(err);
  }
  const found = await findCommit(git, options.gitDir, sha, options.signal);
  if (found === undefined) throw await gone(undefined);
  return found;
}

const FETCH_MESSAGES = {
  auth: "The forge refused the clone credential (401 or 403)",
  missing: "The forge has no such repo, or the credential may not see it (404)",
  network: "The git host cannot be reached",
  protocol: "The address of the repo is of a kind that is not allowed",
  other: "The commit could not be fetched",
} as const;

function faultOf(err: unknown, { url }: Pick<FetchRequest, "url">): unknown {
  if (!(err instanceof GitFailed)) return err;
  const problem = fetchProblem(err.stderr);
  const known = problem === "ref-missing" || problem === "commit-missing" ? "other" : problem;
  const said = err.stderr.trim().split("\n").slice(-3).join(" ").slice(0, 500);
  if (refusedByDisk(err.stderr)) {
    return new InfraFault("DISK_FULL", `The worker's disk refused the commit: ${said}`, {
      cause: err,
    });
  }
  const message = `${FETCH_MESSAGES[known]}: ${url}: ${said}`;
  return new InfraFault("CANNOT_FETCH", message, { cause: err });
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

async function tidyMirror(git: Git, gitDir: string, signal: AbortSignal): Promise<void> {
  const names = await readdir(join(gitDir, "objects", "pack")).catch(() => []);
  if (names.filter((name) => name.endsWith(".pack")).length <= PACKS_MAX) return;
  await git.run(["gc", "--quiet"], { gitDir, signal });
}

/** A fetch that was stopped leaves what it had so far, and git removes that only weeks later. */
async function removePartialPacks(gitDir: string): Promise<void> {
  const dir = join(gitDir, "objects", "pack");
  const names = await readdir(dir).catch(() => []);
  const partial = names.filter((name) => name.startsWith("tmp_"));
  await Promise.all(partial.map((name) => rm(join(dir, name), { force: true })));
}
