import { Webhooks } from "@octokit/webhooks";
import { z } from "zod";
import { ZERO_SHA, isRefName, isRepoName, isSha } from "../../domain/push.ts";
import type { Push } from "../../domain/push.ts";
import { parsePullRequest, type PullRequestDelivery } from "./github-pull-request.ts";
import { cleaned, line } from "../../shared/forges/github-text.ts";

/** A delivery as GitHub sent it; the body is still the exact bytes that were signed. */
export interface SignedDelivery {
  readonly deliveryId: string;
  readonly event: string;
  readonly signature: string;
  readonly body: Buffer;
}

export type Verification =
  | { readonly kind: "verified"; readonly payload: unknown }
  | { readonly kind: "unverified" }
  /** Signed, but not what GitHub sends. */
  | { readonly kind: "bad"; readonly reason: string };

/** What a verified delivery says, in our words. */
export type GithubDelivery = { readonly kind: "push"; readonly push: Push } | PullRequestDelivery;

const TEXT_MAX = 10_000;
const NOTHING = (): void => {};
const SILENT = { debug: NOTHING, info: NOTHING, warn: NOTHING, error: NOTHING };

/**
 * Verifies by SHA-256 against each secret, so that one can be rotated while deliveries come in.
 * The payload is only had from the library, which hands it out after the signature matched.
 */
export function githubVerifier(
  secrets: readonly string[],
): (delivery: SignedDelivery) => Promise<Verification> {
  const [secret, ...additionalSecrets] = secrets.filter((text) => text !== "");
  if (secret === undefined) return async () => ({ kind: "unverified" });

  return async ({ deliveryId, event, signature, body }) => {
    // One per delivery: a shared one could not tell whose payload it hands out.
    const webhooks = new Webhooks({ secret, additionalSecrets, log: SILENT });
    let payload: unknown;
    webhooks.onAny((received) => {
      payload = received.payload;
    });
    const signed = { id: deliveryId, name: event, payload: body.toString("utf8"), signature };
    try {
      await webhooks.verifyAndReceive(signed);
    } catch (err) {
      return isNoJson(err)
        ? { kind: "bad", reason: "the body is not JSON" }
        : { kind: "unverified" };
    }
    if (payload === undefined) return { kind: "unverified" };
    return { kind: "verified", payload };
  };
}

/** The library parses only what it has verified, so a syntax error comes from a signed body. */
function isNoJson(err: unknown): boolean {
  return err instanceof AggregateError && err.errors[0] instanceof SyntaxError;
}

const repository = z.object({ full_name: z.string(), default_branch: z.string() });
const pushPayload = z.object({
  ref: z.string(),
  before: z.string(),
  after: z.string(),
  deleted: z.boolean().optional(),
  forced: z.boolean().optional(),
  repository,
  pusher: z.object({ name: line }),
  head_commit: z
    .object({
      id: z.string(),
      message: z.string().transform((text) => cleaned(text, TEXT_MAX)),
      author: z.object({ name: line }),
    })
    .nullish(),
});
type PushPayload = z.infer<typeof pushPayload>;

/**
 * Reads a verified delivery. Only ids and names are taken from it: every address that we contact is
 * built from the configured forge, whatever the payload's own addresses say.
 */
export function parseGithubDelivery(event: string, payload: unknown): GithubDelivery {
  if (event === "push") return parsePush(payload);
  if (event === "pull_request") return parsePullRequest(payload);
  const reason = event === "ping" ? "ping: the webhook works" : `event ${event} asks for no build`;
  return { kind: "ignored", reason, repo: repoNamed(payload) };
}

function parsePush(payload: unknown): GithubDelivery {
  const parsed = pushPayload.safeParse(payload);
  if (!parsed.success) {
    const fields = parsed.error.issues.map(({ path }) => path.join(".") || "payload");
    return { kind: "bad", reason: `not a push as GitHub sends it: ${fields.join(", ")}` };
  }
  const facts = parsed.data;
  const repo = facts.repository.full_name;
  if (!isRepoName(repo)) {
    return { kind: "ignored", reason: "the repo's name cannot be built", repo: null };
  }
  const problem = problemOf(facts);
  return problem === undefined
    ? { kind: "push", push: pushOf(facts) }
    : { kind: "ignored", reason: problem, repo };
}

function problemOf({
  ref,
  before,
  after,
  repository,
  head_commit,
}: PushPayload): string | undefined {
  if (!isRefName(ref)) return "the ref is no branch or tag that can be built";
  if (!isRefName(`refs/heads/${repository.default_branch}`)) {
    return "the default branch's name cannot be built";
  }
  const shas = [before, after, ...(head_commit ? [head_commit.id] : [])];
  return shas.every(isSha) ? undefined : "a commit's id is no sha";
}

function pushOf(facts: PushPayload): Push {
  const { ref, before, after, head_commit: head } = facts;
  const isDeleted = facts.deleted === true || ZERO_SHA.test(after);
  return {
    forge: "github",
    repo: facts.repository.full_name,
    ref,
    before,
    after: isDeleted ? "0".repeat(after.length) : after,
    // For an annotated tag `after` is the tag object, and the head commit what it points at.
    sha: isDeleted ? undefined : (head?.id ?? after),
    pusher: facts.pusher.name,
    trust: "trusted",
    defaultBranch: facts.repository.default_branch,
    message: head?.message ?? "",
    authorName: head?.author.name ?? "",
    isForced: facts.forced === true,
  };
}

function repoNamed(payload: unknown): string | null {
  const parsed = z.object({ repository: z.object({ full_name: z.string() }) }).safeParse(payload);
  return parsed.success && isRepoName(parsed.data.repository.full_name)
    ? parsed.data.repository.full_name
    : null;
}
