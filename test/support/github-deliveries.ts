import { createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** One push as a forge tells it; the rest of the payload is GitHub's own published example. */
export interface PushToTell {
  /** `owner/name`. */
  readonly repo: string;
  /** Full ref. */
  readonly ref: string;
  readonly before: string;
  /** The tag object's sha for an annotated tag; zeros for a deletion. */
  readonly after: string;
  /** The commit that `after` leads to; null for a deletion. */
  readonly sha: string | null;
  readonly defaultBranch?: string;
  readonly message?: string;
  readonly authorName?: string;
  readonly forced?: boolean;
}

export interface SignedRequest {
  readonly deliveryId: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export const ZEROS = "0".repeat(40);

type JsonObject = { readonly [key: string]: unknown };

/** A real example payload of `@octokit/webhooks-examples`, the first that fits. */
export function examplePayload(event: string, fits: (payload: JsonObject) => boolean): JsonObject {
  const found = examplesOf(event).find(fits);
  if (found === undefined) throw new Error(`No example of ${event} fits.`);
  return found;
}

let examples: readonly { name: string; examples: readonly JsonObject[] }[] | undefined;

export function examplesOf(event: string): readonly JsonObject[] {
  const path = createRequire(import.meta.url).resolve("@octokit/webhooks-examples");
  examples ??= JSON.parse(readFileSync(path, "utf8")) as NonNullable<typeof examples>;
  return examples.find(({ name }) => name === event)?.examples ?? [];
}

/** GitHub's example with repo, ref, shas, default branch and head commit replaced. */
export function pushPayload(push: PushToTell): JsonObject {
  const isDeleted = push.sha === null;
  const isTag = push.ref.startsWith("refs/tags/");
  const kind = isTag || isDeleted ? "refs/tags/" : "refs/heads/";
  const example = renamed(
    examplePayload("push", ({ ref, deleted }) => {
      return String(ref).startsWith(kind) && deleted === isDeleted;
    }),
    push.repo,
  );
  const head = isDeleted ? null : headCommit(example["head_commit"] as JsonObject, push);
  return {
    ...example,
    ref: push.ref,
    before: push.before,
    after: push.after,
    created: push.before === ZEROS,
    deleted: isDeleted,
    forced: push.forced ?? false,
    repository: { ...(example["repository"] as JsonObject), ...branches(push) },
    head_commit: head,
    commits: head === null || isTag ? [] : [head],
  };
}

function branches({ defaultBranch = "main" }: PushToTell): JsonObject {
  return { default_branch: defaultBranch, master_branch: defaultBranch };
}

function headCommit(example: JsonObject, push: PushToTell): JsonObject {
  const name = push.authorName ?? "Codertocat";
  return {
    ...example,
    id: push.sha,
    message: push.message ?? "Initial commit",
    author: { ...(example["author"] as JsonObject), name },
  };
}

/** The example's repo is named in dozens of fields; its addresses keep pointing at github.com. */
function renamed(example: JsonObject, repo: string): JsonObject {
  const [owner = "", name = ""] = repo.split("/");
  const old = (example["repository"] as JsonObject)["full_name"] as string;
  const text = JSON.stringify(example).replaceAll(old, repo);
  const payload = JSON.parse(text) as { repository: { owner: JsonObject } & JsonObject };
  const repository = { ...payload.repository, name, full_name: repo };
  return {
    ...payload,
    repository: {
      ...repository,
      owner: { ...payload.repository.owner, login: owner, name: owner },
    },
  };
}

/** The request exactly as GitHub sends it, both signatures included. */
export function signedRequest(
  event: string,
  payload: unknown,
  secret: string,
  deliveryId: string = randomUUID(),
): SignedRequest {
  const body = typeof payload === "string" ? payload : JSON.stringify(payload);
  const sign = (algorithm: string) => createHmac(algorithm, secret).update(body).digest("hex");
  const headers = {
    accept: "*/*",
    "content-type": "application/json",
    "user-agent": "GitHub-Hookshot/044aadd",
    "x-github-delivery": deliveryId,
    "x-github-event": event,
    "x-github-hook-id": "292430182",
    "x-github-hook-installation-target-id": "79929171",
    "x-github-hook-installation-target-type": "repository",
    "x-hub-signature": `sha1=${sign("sha1")}`,
    "x-hub-signature-256": `sha256=${sign("sha256")}`,
  };
  return { deliveryId, headers, body };
}

export interface DeliveryAnswer {
  readonly deliveryId: string;
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Sends it once, as GitHub does: ten seconds, and no second try. */
export async function send(url: string, request: SignedRequest): Promise<DeliveryAnswer> {
  const response = await fetch(url, {
    method: "POST",
    headers: request.headers,
    body: request.body,
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  const body = isJson ? (JSON.parse(text) as Record<string, unknown>) : { text };
  return { deliveryId: request.deliveryId, status: response.status, body };
}

/** What became of a pull request; the rest is GitHub's own published example. */
export interface PullRequestToTell {
  readonly action: string;
  readonly repo: string;
  readonly number: number;
  readonly headSha: string;
  readonly baseSha: string;
  /** Only with `synchronize`. */
  readonly before?: string;
  readonly headBranch?: string;
  readonly baseBranch?: string;
  /** Id of the repo that the commits are in; null: it is deleted; absent: the same repo. */
  readonly headRepoId?: number | null;
  readonly association?: string;
  readonly title?: string;
  /** Who sent it, if not the author. */
  readonly senderId?: number;
}

/** GitHub's example of a pull request with the named facts replaced. */
export function pullRequestPayload(told: PullRequestToTell): JsonObject {
  const example = renamed(
    examplePayload("pull_request", ({ action }) => action === "opened"),
    told.repo,
  );
  const pull = example["pull_request"] as JsonObject;
  const [head, base] = [pull["head"] as JsonObject, pull["base"] as JsonObject];
  const headRepo =
    told.headRepoId === null
      ? null
      : told.headRepoId === undefined
        ? base["repo"]
        : { ...(head["repo"] as JsonObject), id: told.headRepoId, full_name: "stranger/fork" };
  const user = pull["user"] as JsonObject;
  return {
    ...example,
    action: told.action,
    number: told.number,
    ...(told.before === undefined ? {} : { before: told.before, after: told.headSha }),
    repository: { ...(example["repository"] as JsonObject), default_branch: "main" },
    sender: told.senderId === undefined ? user : { ...user, id: told.senderId, login: "other" },
    pull_request: {
      ...pull,
      number: told.number,
      title: told.title ?? "Make it better",
      author_association: told.association ?? "CONTRIBUTOR",
      head: { ...head, ref: told.headBranch ?? "feature", sha: told.headSha, repo: headRepo },
      base: { ...base, ref: told.baseBranch ?? "main", sha: told.baseSha },
    },
  };
}
