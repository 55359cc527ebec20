import { createHash } from "node:crypto";
import { join } from "node:path";
import { InfraFault } from "../../../src/domain/faults.ts";
import { fetchProblem } from "./fetch-problem.ts";
import { GitFailed } from "./git.ts";
import type { Git, GitOptions } from "./git.ts";

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

export interface FetchDeps {
  readonly git: Git;
  /** Beginnings of addresses that may be fetched over plain http. */
  readonly httpPrefixes: readonly string[];
}

/** Fetches the ref and all tags into a mirror that is there, and makes sure that the commit is. */
export async function fetchInto(
  deps: FetchDeps,
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
  { httpPrefixes }: FetchDeps,
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

/** The newest commit of a ref; undefined: there is no such ref. */
export async function fetchHead(
  deps: FetchDeps,
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
