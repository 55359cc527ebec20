import { z } from "zod";
import { isRepoName, isSha, type PullRequest } from "../../domain/push.ts";
import {
  githubPull,
  githubPullNumber,
  pullEnds,
  pullProblem,
} from "../../shared/forges/github-pull.ts";
import { line } from "../../shared/forges/github-text.ts";

/** What a verified `pull_request` delivery says, in our words. */
export type PullRequestDelivery =
  | { readonly kind: "pull-request"; readonly pullRequest: PullRequest }
  | { readonly kind: "ignored"; readonly reason: string; readonly repo: string | null }
  | { readonly kind: "bad"; readonly reason: string };

const ACTIONS = {
  opened: "opened",
  reopened: "opened",
  synchronize: "updated",
  closed: "closed",
} as const satisfies Record<string, PullRequest["action"]>;

/** GitHub's own word for those who may write, or have had work merged. All others are new here. */
const KNOWN_AUTHORS: ReadonlySet<string> = new Set([
  "OWNER",
  "MEMBER",
  "COLLABORATOR",
  "CONTRIBUTOR",
]);

const account = z.object({ id: z.number().int(), login: line });
const pullRequestPayload = z.object({
  action: z.string(),
  number: githubPullNumber,
  before: z.string().optional(),
  pull_request: githubPull.extend({ user: account.nullable(), author_association: z.string() }),
  repository: z.object({ id: z.number().int(), full_name: z.string(), default_branch: z.string() }),
  sender: account,
});
type Payload = z.infer<typeof pullRequestPayload>;

/**
 * Who is trusted is read from ids that the forge vouches for, never from names in commits: a commit's
 * author is whatever its author wrote.
 */
export function parsePullRequest(payload: unknown): PullRequestDelivery {
  const parsed = pullRequestPayload.safeParse(payload);
  if (!parsed.success) {
    const fields = parsed.error.issues.map(({ path }) => path.join(".") || "payload");
    return { kind: "bad", reason: `not a pull request as GitHub sends it: ${fields.join(", ")}` };
  }
  const facts = parsed.data;
  const repo = facts.repository.full_name;
  if (!isRepoName(repo)) {
    return { kind: "ignored", reason: "the repo's name cannot be built", repo: null };
  }
  const action = Object.entries(ACTIONS).find(([name]) => name === facts.action)?.[1];
  if (action === undefined) {
    return { kind: "ignored", reason: `pull request ${facts.action} asks for no build`, repo };
  }
  const problem = problemOf(facts);
  if (problem !== undefined) return { kind: "ignored", reason: problem, repo };
  return { kind: "pull-request", pullRequest: pullRequestOf(facts, action) };
}

function problemOf({ pull_request: pull, repository, before }: Payload): string | undefined {
  const problem = pullProblem(pull, repository.default_branch);
  if (problem !== undefined) return problem;
  return before === undefined || isSha(before) ? undefined : "a commit's id is no sha";
}

function pullRequestOf(facts: Payload, action: PullRequest["action"]): PullRequest {
  const { pull_request: pull, repository, sender } = facts;
  const isBySender = pull.user !== null && pull.user.id === sender.id;
  return {
    ...pullEnds(pull, repository.id),
    forge: "github",
    repo: repository.full_name,
    number: facts.number,
    action,
    before: facts.before ?? null,
    sender: sender.login,
    isAuthorKnown: isBySender && KNOWN_AUTHORS.has(pull.author_association),
    defaultBranch: repository.default_branch,
  };
}
