import { createHash, createHmac, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { LEASE_HEADER, PATHS, PROTOCOL } from "../../src/shared/protocol.ts";
import { buildGrant } from "../../src/shared/build-messages.ts";
import type { BuildGrant, EndMessage } from "../../src/shared/build-messages.ts";
import { aPackageStep, aPipeline, aPlanMessage, aRule } from "./a-pipeline.ts";

/** RPMs as a build worker would upload them. */
export interface FinishedPackage {
  readonly path: string;
  readonly target: string;
}

export interface FinishedBuild {
  readonly repo?: string;
  readonly branch?: string;
  readonly tag?: string;
  readonly channel?: string | null;
  readonly message?: string;
  readonly errata?: string | null;
  readonly packages: readonly FinishedPackage[];
  /** Makes the push; without it GitHub delivers one. */
  readonly push?: () => Promise<unknown>;
}

export interface FinishedBuilds {
  /** Pushes, claims, uploads and ends a build that passed; answers once the server has taken its end. */
  finish(build: FinishedBuild): Promise<{ readonly buildId: string }>;
  /** The build's state once it is final. */
  final(buildId: string, withinMs?: number): Promise<BuildEnd>;
}

export interface BuildEnd {
  readonly state: string;
  readonly reason: string | null;
  readonly failure: { readonly code: string; readonly title: string } | null;
}

export interface FinishedBuildsOptions {
  readonly url: string;
  readonly adminToken: string;
  readonly buildToken: string;
  readonly webhookSecret: string;
}

const POLL_MS = 4;
const FINAL_MS = 240_000;

/**
 * Stands where a build worker and its engine would: speaks the build protocol to a real server and
 * hands over packages that exist already, so that publishing alone is what is tried or measured.
 */
export function finishedBuilds(options: FinishedBuildsOptions): FinishedBuilds {
  const worker = `hand-${randomBytes(4).toString("hex")}`;
  let claiming: Promise<unknown> = Promise.resolve();

  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(options.url + path, {
      method: "POST",
      headers: {
        authorization: `Bearer ${options.buildToken}`,
        "content-type": "application/json",
        ...headers,
      },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return text === "" ? undefined : (JSON.parse(text) as unknown);
  };

  // Nothing is granted before a ref of the own remote has moved.
  const claim = async (): Promise<BuildGrant> => {
    for (const until = performance.now() + FINAL_MS; performance.now() < until;) {
      const answer = await post(PATHS.buildClaim(), { worker, protocol: PROTOCOL });
      if (answer !== undefined) return buildGrant.parse(answer);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new Error("No job was granted.");
  };

  // One push and its claim at a time, so that the job claimed is the one just pushed.
  const pushAndClaim = (build: FinishedBuild): Promise<BuildGrant> => {
    const claimed = claiming.then(async () => {
      await (build.push ?? (() => push(options, build)))();
      return await claim();
    });
    claiming = claimed.catch(() => undefined);
    return claimed;
  };

  return {
    finish: async (build) => {
      const grant = await pushAndClaim(build);
      const lease = { [LEASE_HEADER]: grant.lease.token };
      await post(PATHS.plan(grant.jobId), planOf(build), lease);
      const packages: EndMessage["packages"] = [];
      for (const { path, target } of build.packages) {
        const bytes = await readFile(path);
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        const stored = await fetch(options.url + PATHS.artifact(grant.jobId, sha256), {
          method: "PUT",
          headers: { authorization: `Bearer ${options.buildToken}`, ...lease },
          body: bytes,
        });
        if (!stored.ok) throw new Error(`upload: ${stored.status} ${await stored.text()}`);
        packages.push({ fileName: basename(path), sha256, sizeBytes: bytes.length, target });
      }
      const end = { state: "passed", reason: null, failure: null, packages };
      await post(PATHS.end(grant.jobId), { ...end, errata: build.errata ?? null }, lease);
      return { buildId: grant.build.id };
    },
    final: async (buildId, withinMs = FINAL_MS) => {
      for (const until = performance.now() + withinMs; performance.now() < until;) {
        const response = await fetch(`${options.url}/api/builds/${buildId}`, {
          headers: { authorization: `Bearer ${options.adminToken}` },
        });
        const build = (await response.json()) as BuildEnd;
        if (!["queued", "running"].includes(build.state)) return build;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      throw new Error(`Build ${buildId} had no final state after ${withinMs} ms.`);
    },
  };
}

function planOf({ channel = "dev", message = "A change" }: FinishedBuild) {
  const publish = channel === null ? [] : [aRule({ channel })];
  const pipeline = aPipeline({ packages: [aPackageStep({ label: "hello" })], publish });
  const subject = message.split("\n")[0] ?? "";
  const commit = { subject, authorName: "Bench", committedAt: Date.now() };
  return aPlanMessage(pipeline, { commit });
}

async function push({ url, webhookSecret }: FinishedBuildsOptions, build: FinishedBuild) {
  const sha = randomBytes(20).toString("hex");
  const { repo = "acme/hello", branch = "main", tag, message = "A change" } = build;
  const body = JSON.stringify({
    ref: tag === undefined ? `refs/heads/${branch}` : `refs/tags/${tag}`,
    before: "0".repeat(40),
    after: sha,
    created: true,
    deleted: false,
    forced: false,
    repository: { full_name: repo, default_branch: "main" },
    pusher: { name: "bench" },
    sender: { login: "bench", id: 1 },
    head_commit: { id: sha, message, author: { name: "Bench", email: "bench@example.com" } },
    commits: [],
  });
  const digest = createHmac("sha256", webhookSecret).update(body).digest("hex");
  const response = await fetch(`${url}/webhooks/github`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-github-event": "push",
      "x-github-delivery": randomBytes(16).toString("hex"),
      "x-hub-signature-256": `sha256=${digest}`,
    },
    body,
  });
  if (response.status !== 202) {
    throw new Error(`push: ${response.status} ${await response.text()}`);
  }
}
