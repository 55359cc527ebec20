import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { InfraFault } from "../../../src/domain/faults.ts";
import { isRefName, isSha, isTryRef } from "../../../src/domain/push.ts";
import { fetchHead } from "./fetch-commit.ts";
import type { FetchDeps, FetchRequest, Mirror } from "./fetch-commit.ts";
import { FETCH_TIMEOUT_MS, fetchWithin } from "./fetch-mirror.ts";
import type { FetchLimits } from "./fetch-mirror.ts";
import { fetchFault } from "./fetch-problem.ts";
import type { Git } from "./git.ts";
import { noteUse, storedMirrors } from "./stored-mirrors.ts";
import type { Stored } from "../stored.ts";

const PACKS_MAX = 40;

export interface MirrorDeps extends FetchDeps, FetchLimits {
  readonly dir: string;
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
        throw fetchFault(err, request);
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

async function tidyMirror(git: Git, gitDir: string, signal: AbortSignal): Promise<void> {
  const names = await readdir(join(gitDir, "objects", "pack")).catch(() => []);
  if (names.filter((name) => name.endsWith(".pack")).length <= PACKS_MAX) return;
  await git.run(["gc", "--quiet"], { gitDir, signal });
}
