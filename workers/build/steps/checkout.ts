import type { BuildGrant } from "../../../src/shared/build-messages.ts";
import { readCommit } from "../source/commit.ts";
import type { Commit } from "../source/commit.ts";
import type { Git } from "../source/git.ts";
import type { Mirrors } from "../source/mirrors.ts";

export interface CheckoutDeps {
  readonly git: Git;
  readonly mirrors: Mirrors;
  readonly say: (line: string) => void;
}

/** Fetches the commit into this worker's mirror of the repo and reads what the other steps need. */
export async function checkOut(
  { build, clone }: BuildGrant,
  { git, mirrors, say }: CheckoutDeps,
  signal: AbortSignal,
): Promise<Commit> {
  say(`Fetching ${build.ref} of ${build.repo}`);
  const { repo, ref, sha } = build;
  const mirror = await mirrors.fetch({ repo, ref, sha, ...clone }, signal);
  const commit = await readCommit(git, mirror, signal);

  say(`Commit ${commit.sha} by ${commit.authorName}: ${commit.subject}`);
  say(
    `${commit.files().length} files${commit.tags.length > 0 ? `, tags ${commit.tags.join(", ")}` : ""}`,
  );
  const submodules = commit.entries.filter(({ kind }) => kind === "submodule");
  if (submodules.length > 0) {
    say(
      `Left empty, since submodules are not fetched: ${submodules.map(({ path }) => path).join(", ")}`,
    );
  }
  return commit;
}
