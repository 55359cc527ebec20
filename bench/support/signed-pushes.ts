import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export interface SignedPush {
  readonly deliveryId: string;
  readonly body: Buffer;
  readonly signature: string;
}

const BODY_BYTES = 20 * 1024;
const REPOS = 250;

/**
 * Push deliveries as GitHub sends them, all different: one of GitHub's published example payloads
 * with other repos and shas, grown to 20 KiB by a commit message, signed anew. `stream` keeps the
 * deliveries of several senders apart.
 */
export function* signedPushes(secret: string, stream: string): Generator<SignedPush> {
  const parts = readTemplate().split(/(@@REPO@@|@@SHA@@|@@BEFORE@@)/);
  for (let count = 0; ; count += 1) {
    const sha = createHmac("sha1", stream).update(String(count)).digest("hex");
    const values: Readonly<Record<string, string>> = {
      "@@REPO@@": `bench/repo-${count % REPOS}`,
      "@@SHA@@": sha,
      "@@BEFORE@@": createHmac("sha1", sha).digest("hex"),
    };
    const body = Buffer.from(parts.map((part) => values[part] ?? part).join(""));
    const digest = createHmac("sha256", secret).update(body).digest("hex");
    yield { deliveryId: `${stream}-${count}`, body, signature: `sha256=${digest}` };
  }
}

function readTemplate(): string {
  const path = createRequire(import.meta.url).resolve(
    "@octokit/webhooks-examples/api.github.com/index.json",
  );
  const groups = JSON.parse(readFileSync(path, "utf8")) as {
    name: string;
    examples: PushPayload[];
  }[];
  const example = groups
    .find(({ name }) => name === "push")
    ?.examples.find(({ head_commit: head }) => head != null);
  if (example === undefined || example.head_commit == null)
    throw new Error("No example of a push.");
  const payload = {
    ...example,
    ref: "refs/heads/main",
    before: "@@BEFORE@@",
    after: "@@SHA@@",
    deleted: false,
    repository: { ...example.repository, full_name: "@@REPO@@", default_branch: "main" },
    head_commit: { ...example.head_commit, id: "@@SHA@@", message: "" },
  };
  const grow = BODY_BYTES - JSON.stringify(payload).length;
  payload.head_commit.message = "a change ".repeat(Math.max(1, Math.floor(grow / 9)));
  return JSON.stringify(payload);
}

interface PushPayload {
  readonly repository: object;
  readonly head_commit: { readonly id: string; readonly message: string } | null;
}
