import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRepo, serveGit } from "./git-host.ts";
import type { Files, ForgeRepo } from "./git-host.ts";
import { createGithubApi } from "./github-api.ts";
import type { GithubApi } from "./github-api.ts";
import { examplePayload, pushPayload, send, signedRequest } from "./github-deliveries.ts";
import type { DeliveryAnswer, PushToTell, SignedRequest } from "./github-deliveries.ts";
import { createGithubHooks } from "./github-hooks.ts";
import type { GithubHooks } from "./github-hooks.ts";
import { createGithubPulls } from "./github-pulls.ts";
import type { GithubPulls } from "./github-pulls.ts";
import { readGithubSchema } from "./github-schema.ts";

/**
 * The only double above unit level, because GitHub cannot be run here. It checks every request to
 * its API against GitHub's published schema and keeps the statuses, serves git by git's own
 * http-backend, and sends signed webhook deliveries made from GitHub's example payloads.
 */
export interface ForgeDouble extends AsyncDisposable {
  /** Clones come from here: `TATARA_GITHUB_URL`. */
  readonly url: string;
  /** `TATARA_GITHUB_API_URL`. */
  readonly apiUrl: string;
  /** `TATARA_GITHUB_STATUS_TOKEN`. */
  readonly statusToken: string;
  /** `TATARA_GITHUB_HOOK_TOKEN`. */
  readonly hookToken: string;
  /** `TATARA_GITHUB_READ_TOKEN`. */
  readonly readToken: string;
  /** What it lists; no delivery tells of it. */
  readonly pulls: Omit<GithubPulls, "answer">;
  /** Its dispose throws if a request broke GitHub's schema and nobody took the violation. */
  readonly api: Omit<GithubApi, "handle">;
  addRepo(
    name: string,
    options?: { readonly files?: Files; readonly defaultBranch?: string },
  ): Promise<ForgeRepo>;
  readonly hook: Webhook;
  /** While set, git is answered so. */
  breakGit(status: number | undefined): void;
  /** How many requests git has sent. */
  gitRequestCount(): number;
}

/** The forge's side of a webhook. */
export interface Webhook {
  /** Where deliveries go, and the secret that signs them. */
  set(to: { readonly url: string; readonly secret: string }): void;
  push(push: PushToTell): Promise<DeliveryAnswer>;
  /**
   * The push's delivery does not get through, and GitHub lists it as failed; or it is lost inside
   * GitHub, and nobody ever hears of it. Returns its id.
   */
  miss(push: PushToTell, how: "listed" | "lost"): string;
  /** What the hook has tried, and was asked to try again. */
  readonly tries: Pick<GithubHooks, "deliveries" | "redeliveriesAsked">;
  /** `ping`, or any other event, from its example payload. */
  event(name: string): Promise<DeliveryAnswer>;
  /** The same delivery again: same id, same bytes; or the same bytes under a new id. */
  redeliver(deliveryId: string, options?: { readonly asNew?: boolean }): Promise<DeliveryAnswer>;
}

export interface ForgeDoubleOptions {
  readonly statusToken?: string;
  readonly hookToken?: string;
  /** Without it, repos are public; with it, git asks for it by HTTP Basic or as bearer. */
  readonly readToken?: string;
  /** Takes statuses for repos and commits that it does not have. */
  readonly anyRepo?: boolean;
}

const API = "/api/v3";

export async function startForgeDouble(options: ForgeDoubleOptions = {}): Promise<ForgeDouble> {
  const { statusToken = "ghp_status0000000000000000000000000000", anyRepo = false } = options;
  const { hookToken = "ghp_hook000000000000000000000000000000" } = options;
  const { readToken = "ghp_read000000000000000000000000000000" } = options;
  const root = await mkdtemp(join(tmpdir(), "tatara-forge-"));
  const repos = new Map<string, ForgeRepo>();
  const faultsOfOurs: unknown[] = [];
  let gitStatus: number | undefined;
  let gitRequests = 0;
  const server = createServer((request, response) => {
    handle(request, response).catch((err: unknown) => {
      // A client that hung up is no fault of ours.
      if (!request.socket.destroyed) faultsOfOurs.push(err);
      response.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const schema = readGithubSchema();
  const hook = createWebhook({ schema, hookToken, apiUrl: `${url}${API}` });
  const pulls = createGithubPulls({ schema, readToken, apiUrl: `${url}${API}` });
  const api = createGithubApi({
    apiUrl: `${url}${API}`,
    schema,
    hooks: hook.hooks,
    pulls,
    statusToken,
    hasCommit: async (repo, sha) =>
      (await repos.get(repo.toLowerCase())?.has(sha)) ?? (anyRepo || undefined),
  });

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const asked = new URL(request.url ?? "/", url);
    if (asked.pathname.startsWith(`${API}/`)) return await api.handle(request, response, asked);
    if (options.readToken !== undefined && !carries(request, options.readToken)) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="GitHub"' }).end();
      return;
    }
    gitRequests += 1;
    if (gitStatus !== undefined) return void response.writeHead(gitStatus).end();
    await serveGit(root, request, response);
  };

  return {
    url,
    apiUrl: `${url}${API}`,
    statusToken,
    hookToken,
    readToken,
    pulls,
    api,
    hook,
    breakGit: (status) => {
      gitStatus = status;
    },
    gitRequestCount: () => gitRequests,
    addRepo: async (name, repoOptions = {}) => {
      const repo = await createRepo(root, name, repoOptions);
      repos.set(name.toLowerCase(), repo);
      return repo;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await rm(root, { recursive: true, force: true, maxRetries: 5 });
      const left = [...faultsOfOurs, ...api.takeViolations()];
      if (left.length > 0) throw new Error(`GitHub would object: ${left.map(String).join("\n")}`);
    },
  };
}

function createWebhook(options: {
  readonly schema: ReturnType<typeof readGithubSchema>;
  readonly hookToken: string;
  readonly apiUrl: string;
}): Webhook & { readonly hooks: GithubHooks } {
  const sent = new Map<string, SignedRequest>();
  let target: { readonly url: string; readonly secret: string } | undefined;

  const known = () => {
    if (target === undefined) throw new Error("hook.set comes first.");
    return target;
  };
  const hooks = createGithubHooks({
    ...options,
    target: () => target?.url,
    redeliver: ({ request }) => void deliver(request, true).catch(() => undefined),
  });
  /** Listed as GitHub does: a server that cannot be reached is a 502 of its own. */
  const deliver = async (request: SignedRequest, isRedelivery = false): Promise<DeliveryAnswer> => {
    sent.set(request.deliveryId, request);
    const repo = repoOf(request);
    try {
      const answer = await send(known().url, request);
      hooks.add({ repo, request, isRedelivery, statusCode: answer.status });
      return answer;
    } catch (err) {
      hooks.add({ repo, request, isRedelivery, statusCode: 502 });
      throw err;
    }
  };
  const signed = (push: PushToTell) => signedRequest("push", pushPayload(push), known().secret);
  return {
    hooks,
    tries: hooks,
    set: (to) => {
      target = to;
    },
    push: (push) => deliver(signed(push)),
    miss: (push, how) => {
      const request = signed(push);
      sent.set(request.deliveryId, request);
      const repo = repoOf(request);
      if (how === "listed") hooks.add({ repo, request, isRedelivery: false, statusCode: 502 });
      return request.deliveryId;
    },
    event: (name) =>
      deliver(
        signedRequest(
          name,
          examplePayload(name, () => true),
          known().secret,
        ),
      ),
    redeliver: async (deliveryId, { asNew = false } = {}) => {
      const old = sent.get(deliveryId);
      if (old === undefined) throw new Error(`${deliveryId} was never delivered.`);
      const newId = asNew ? randomUUID() : deliveryId;
      const headers = { ...old.headers, "x-github-delivery": newId };
      return await deliver({ ...old, deliveryId: newId, headers }, true);
    },
  };
}

function repoOf({ body }: SignedRequest): string {
  const payload = JSON.parse(body) as { repository?: { full_name?: string } };
  return payload.repository?.full_name ?? "";
}

function carries({ headers }: IncomingMessage, token: string): boolean {
  const [scheme = "", value = ""] = (headers.authorization ?? "").split(" ");
  if (/^bearer$/i.test(scheme)) return value === token;
  const [, password] = Buffer.from(value, "base64").toString("utf8").split(":");
  return /^basic$/i.test(scheme) && password === token;
}
