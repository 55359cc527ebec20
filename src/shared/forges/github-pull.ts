import { z } from "zod";
import { isRefName, isSha } from "../../domain/push.ts";
import { line } from "./github-text.ts";

const end = z.object({
  ref: z.string(),
  sha: z.string(),
  /** Null once the fork is deleted. */
  repo: z.object({ id: z.number().int() }).nullable(),
});

/** A pull request as GitHub's deliveries and its API show it. */
export const githubPull = z.object({ title: line, head: end, base: end });
export type GithubPull = z.infer<typeof githubPull>;

export const githubPullNumber = z.number().int().positive().max(999_999_999);

/** Why nothing can be built of it, if so. */
export function pullProblem({ head, base }: GithubPull, defaultBranch: string): string | undefined {
  const branches = [head.ref, base.ref, defaultBranch];
  if (!branches.every((branch) => isRefName(`refs/heads/${branch}`))) {
    return "a branch's name cannot be built";
  }
  return [head.sha, base.sha].every(isSha) ? undefined : "a commit's id is no sha";
}

/** What it asks to merge into what. By the ids of both repos, which the forge vouches for. */
export function pullEnds({ title, head, base }: GithubPull, repoId: number) {
  return {
    title,
    headBranch: head.ref,
    headSha: head.sha,
    baseBranch: base.ref,
    baseSha: base.sha,
    isFork: head.repo?.id !== repoId,
  };
}
