import { UserFault } from "../../../src/domain/faults.ts";
import type { CheckoutOptions } from "../../../src/domain/pipeline.ts";
import type { BuildGrant } from "../../../src/shared/build-messages.ts";
import { readCommit } from "../source/commit.ts";
import type { Commit } from "../source/commit.ts";
import type { Git } from "../source/git.ts";
import type { Mirror, Mirrors } from "../source/mirrors.ts";

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
    say(`Left empty, since submodules are not fetched: ${submodules.join(", ")}`);
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

/** The first `.gitattributes` that names the filter. */
async function findLfs(commit: Commit, signal: AbortSignal): Promise<string | undefined> {
  for (const path of commit.files()) {
    if (path !== ".gitattributes" && !path.endsWith("/.gitattributes")) continue;
    const text = (await commit.readFile(path, signal)).toString();
    if (/^[^#\n]*\bfilter=lfs\b/m.test(text)) return path;
  }
  return undefined;
}
