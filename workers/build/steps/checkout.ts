import { UserFault } from "../../../src/domain/faults.ts";
import type { CheckoutOptions } from "../../../src/domain/pipeline.ts";
import type { BuildGrant } from "../../../src/shared/build-messages.ts";
import { isChangedName, readCommit } from "../source/commit.ts";
import type { Commit } from "../source/commit.ts";
import type { Git } from "../source/git.ts";
import type { Mirror } from "../source/fetch-commit.ts";
import type { Mirrors } from "../source/mirrors.ts";

/** Each is a run of git; a file that only the warning is about is not worth more. */
const WARNING_READS_MAX = 10;

export interface CheckoutDeps {
  readonly git: Git;
  readonly mirrors: Mirrors;
  readonly say: (line: string) => void;
}

export interface CheckedOut {
  readonly commit: Commit;
  readonly mirror: Mirror;
}

/** Fetches the commit into this worker's mirror of the repo and reads what the other steps need. */
export async function checkOut(
  { build, clone }: BuildGrant,
  { git, mirrors, say }: CheckoutDeps,
  signal: AbortSignal,
): Promise<CheckedOut> {
  say(`Fetching ${build.ref} of ${build.repo}`);
  const { repo, ref, sha } = build;
  const mirror = await mirrors.fetch({ repo, ref, sha, ...clone }, signal);
  const commit = await readCommit(git, mirror, signal);

  say(`Commit ${commit.sha} by ${commit.authorName}: ${commit.subject}`);
  say(
    `${commit.files().length} files${commit.tags.length > 0 ? `, tags ${commit.tags.join(", ")}` : ""}`,
  );
  const submodules = submodulesOf(commit);
  if (submodules.length > 0) {
    say(`Left empty, since submodules are not fetched: ${submodules.map(printable).join(", ")}`);
  }
  const changed = commit.files().filter(isChangedName);
  if (changed.length > 0) {
    const some = changed.slice(0, 10).map(printable).join(", ");
    say(`Names that are no UTF-8 have other letters in the workspace: ${some}`);
  }
  const lfs = await findLfs(commit, signal, WARNING_READS_MAX);
  if (lfs !== undefined) {
    say(`Left as pointer files, since Git LFS is not fetched: see ${printable(lfs)}`);
  }
  return { commit, mirror };
}

/**
 * What `checkout` in the file asks for beyond the commit's own tree. Neither can be fetched yet, so a
 * commit that has any is refused: built without, it would fail in a way that nobody understands.
 */
export async function refuseOptions(
  { submodules, lfs }: CheckoutOptions,
  commit: Commit,
  signal: AbortSignal,
): Promise<void> {
  const [submodule] = submodulesOf(commit);
  if (submodules && submodule !== undefined) {
    throw new UserFault(
      "CHECKOUT_UNSUPPORTED",
      `The commit has the submodule ${submodule}, and this version cannot fetch submodules.`,
      { hint: "Remove `checkout.submodules` to build with empty folders, or commit the files." },
    );
  }
  const path = lfs ? await findLfs(commit, signal) : undefined;
  if (path === undefined) return;
  throw new UserFault(
    "CHECKOUT_UNSUPPORTED",
    `${path} puts files into Git LFS, and this version cannot fetch those.`,
    {
      hint: "Remove `checkout.lfs` to build with the pointer files, or commit the files themselves.",
      file: path,
    },
  );
}

function submodulesOf(commit: Commit): readonly string[] {
  return commit.entries.filter(({ kind }) => kind === "submodule").map(({ path }) => path);
}

/** The first `.gitattributes` that names the filter, of the `max` that are nearest to the root. */
async function findLfs(
  commit: Commit,
  signal: AbortSignal,
  max = Number.POSITIVE_INFINITY,
): Promise<string | undefined> {
  const depthOf = (path: string) => path.split("/").length;
  const found = commit
    .files()
    .filter((path) => path === ".gitattributes" || path.endsWith("/.gitattributes"))
    .toSorted((left, right) => depthOf(left) - depthOf(right));
  for (const path of found.slice(0, max)) {
    const text = (await commit.readFile(path, signal)).toString();
    if (/^[^#\n]*\bfilter=lfs\b/m.test(text)) return path;
  }
  return undefined;
}

/** A name may have any byte, and the log is read line by line. */
function printable(path: string): string {
  return /\p{Cc}/u.test(path) ? JSON.stringify(path) : path;
}
