import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readClientConfig } from "../shared/config.ts";
import type { Env } from "../shared/config.ts";
import { isBuild, isBuildSummary } from "./api-types.ts";
import type { ApiBuild, ApiBuildSummary, ApiHealth, ApiStatus } from "./api-types.ts";
import { readEvents } from "./event-stream.ts";
import { CommandError, EXIT } from "./exit-codes.ts";
import { serverUrl } from "./own-server.ts";

const CALL_TIMEOUT_MS = 30_000;

/** Names one build: by id, or by repo and number. */
export type BuildName =
  | { readonly id: string }
  | { readonly repo: string; readonly number: number };

export interface BuildFilter {
  readonly repo?: string | undefined;
  readonly state?: string | undefined;
  readonly limit: number;
}

/** Talks to one server. Every failure is a `CommandError` with the exit status it deserves. */
export interface ApiClient {
  readonly url: string;
  builds(filter: BuildFilter): Promise<readonly ApiBuildSummary[]>;
  build(name: BuildName): Promise<ApiBuild>;
  /** The build after each of its changes, until its final state or the end of the connection. */
  follow(id: string): AsyncIterable<ApiBuild>;
  log(id: string, query: Readonly<Record<string, string>>): Promise<ReadableStream<Uint8Array>>;
  cancel(id: string): Promise<"cancelled" | "cancelling">;
  rerun(
    id: string,
    options?: { readonly isFresh?: boolean },
  ): Promise<{ readonly id: string; readonly number: number; readonly url: string }>;
  statuses(repo: string, sha: string): Promise<readonly ApiStatus[]>;
  health(): Promise<ApiHealth>;
  /** Any other request to the API; rejects with the server's own message and hint. */
  request(path: string, init?: ApiRequest): Promise<Response>;
}

export interface ApiRequest {
  readonly method?: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly text?: string;
}

/** The server that the settings name, asked with the token that they or the data folder hold. */
export async function connect(env: Env, signal: AbortSignal): Promise<ApiClient> {
  return apiClient({ ...(await readAccess(env)), signal });
}

/** Which server, and the token for it; empty where there is none. */
export async function readAccess(
  env: Env,
): Promise<{ readonly url: string; readonly token: string }> {
  const { token, dataDir } = readClientConfig(env);
  const url = serverUrl(env);
  const own = () => readFile(join(dataDir, "admin-token"), "utf8").catch(() => "");
  return { url, token: token ?? (await own()).trim() };
}

export function apiClient(options: {
  readonly url: string;
  readonly token: string;
  readonly signal: AbortSignal;
}): ApiClient {
  const call = (
    path: string,
    init: RequestInit = {},
    limit = AbortSignal.timeout(CALL_TIMEOUT_MS),
  ) => request(options, path, { ...init, signal: AbortSignal.any([options.signal, limit]) });
  const json = async <T>(
    path: string,
    isRight: (value: unknown) => value is T,
    init?: RequestInit,
  ) => {
    const value: unknown = await (await call(path, init)).json();
    if (isRight(value)) return value;
    throw new CommandError(EXIT.unreachable, `${options.url} answers, but not as Tatara does.`);
  };
  const post = { method: "POST" };

  return {
    url: options.url,
    builds: async ({ repo, state, limit }) => {
      const query = new URLSearchParams({ limit: String(limit) });
      if (repo !== undefined) query.set("repo", repo);
      if (state !== undefined) query.set("state", state);
      const { builds } = await json(`/api/builds?${query.toString()}`, hasBuilds);
      return builds;
    },
    build: (name) => json("id" in name ? buildPath(name.id) : numberPath(name), isBuild),
    follow: async function* (id) {
      // Open as long as the build runs, so without the limit of a single call.
      const response = await call(`${buildPath(id)}/events`, {}, options.signal);
      if (response.status === 204 || response.body === null) return;
      for await (const event of readEvents(response.body)) {
        const value: unknown = event.name === "build" ? JSON.parse(event.data) : undefined;
        if (isBuild(value)) yield value;
      }
    },
    log: async (id, query) => {
      const path = `${buildPath(id)}/log?${new URLSearchParams(query).toString()}`;
      return (await call(path, {}, options.signal)).body ?? new ReadableStream();
    },
    cancel: async (id) => {
      const { status } = await call(`${buildPath(id)}/cancel`, post);
      return status === 200 ? "cancelled" : "cancelling";
    },
    rerun: (id, { isFresh = false } = {}) =>
      json(`${buildPath(id)}/rerun${isFresh ? "?fresh=true" : ""}`, isRerun, post),
    statuses: (repo, sha) => json(`/api/repos/${repo}/statuses/${sha}`, isStatuses),
    request: (path, { method, json: body, text } = {}) => {
      const isBare = body === undefined && text === undefined;
      return call(path, {
        method: method ?? (isBare ? "GET" : "POST"),
        ...(isBare ? {} : { body: text ?? JSON.stringify(body) }),
        ...(body === undefined ? {} : { headers: { "content-type": "application/json" } }),
      });
    },
    health: async () => {
      // 503 is an answer too: it carries the reasons.
      const response = await send(options, "/healthz", { signal: options.signal });
      return (await response.json()) as ApiHealth;
    },
  };
}

function buildPath(id: string): string {
  return `/api/builds/${encodeURIComponent(id)}`;
}

function numberPath({ repo, number }: { readonly repo: string; readonly number: number }): string {
  return `/api/repos/${repo}/builds/${number}`;
}

function hasBuilds(value: unknown): value is { readonly builds: readonly ApiBuildSummary[] } {
  const { builds } = (value ?? {}) as { builds?: unknown };
  return Array.isArray(builds) && builds.every(isBuildSummary);
}

function isRerun(value: unknown): value is { id: string; number: number; url: string } {
  const { id, number, url } = (value ?? {}) as Readonly<Record<string, unknown>>;
  return typeof id === "string" && typeof number === "number" && typeof url === "string";
}

function isStatuses(value: unknown): value is readonly ApiStatus[] {
  return Array.isArray(value);
}

interface Target {
  readonly url: string;
  readonly token: string;
  readonly signal: AbortSignal;
}

async function request(target: Target, path: string, init: RequestInit): Promise<Response> {
  const response = await send(target, path, init);
  if (response.ok) return response;
  const { error, hint } = (await response.json().catch(() => ({}))) as Partial<
    Record<string, string>
  >;
  if (response.status === 401) throw unknownToken(target);
  const message = error ?? `${target.url} answered ${response.status} to ${path}.`;
  const said = hint === undefined ? undefined : typedHint(hint);
  throw new CommandError(exitOfStatus(response.status), message, said);
}

async function send(
  { url, token, signal }: Target,
  path: string,
  init: RequestInit,
): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token !== "") headers.set("authorization", `Bearer ${token}`);
  const ask = () => fetch(url + path, { ...init, headers, redirect: "error" });
  try {
    return await ask().catch(async (err: unknown) => {
      if ((init.method ?? "GET") === "GET" && isClosedUnderUs(err)) return await ask();
      throw err;
    });
  } catch (err) {
    signal.throwIfAborted();
    const { message, cause } = err instanceof Error ? err : { message: String(err) };
    const why = cause instanceof Error && cause.message !== "" ? cause.message : message;
    throw new CommandError(
      EXIT.unreachable,
      `No server answers at ${url} (${why}).`,
      "start one with `npm start`, or set TATARA_URL to the address of yours",
    );
  }
}

/** A server closes a connection that rests at the very moment we use it again; it heard nothing then. */
function isClosedUnderUs(err: unknown): boolean {
  const cause = err instanceof Error ? err.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE";
}

function exitOfStatus(status: number) {
  if ([401, 403, 404, 410].includes(status)) return EXIT.notFound;
  if (status >= 500) return EXIT.errored;
  return status === 409 || status === 422 ? EXIT.failed : EXIT.usage;
}

/** The server speaks of requests and fields; here they are commands and options. */
function typedHint(hint: string): string {
  return hint
    .replace(/GET \/api\/channels\/([^/\s]+)\/generations lists/, "tatara channel show $1 lists")
    .replace(
      "GET /api/builds lists them; a build is also found at /api/repos/<owner>/<name>/builds/<number>.",
      "tatara builds lists them; a build is also found as owner/name/number.",
    )
    .replace("GET /api/builds lists", "tatara builds lists")
    .replace("GET /api/workers lists", "tatara worker lists")
    .replace(/GET \/api\/builds\/\S+\/kept lists/, "tatara artifacts lists")
    .replace(/GET \/api\/repos\/\S+\/secrets lists/, "tatara secret list lists")
    .replace("GET /api/channels lists", "tatara channel list lists")
    .replace("GET /api/packages?query= finds", "tatara packages --find WORD finds")
    .replace("GET /api/packages/<name> lists", "tatara packages NAME lists")
    .replace("docs/reference/channels.md has examples.", "tatara help channel has examples.")
    .replace(/`(from|to|force|note)`/g, "--$1");
}

/** The API says which header it wants; whoever types has settings. */
function unknownToken({ url, token }: Target): CommandError {
  const problem = token === "" ? "wants a token, and none was found" : "does not know this token";
  return new CommandError(
    EXIT.notFound,
    `The server at ${url} ${problem}.`,
    "export TATARA_TOKEN=$(cat .../data/admin-token), or set TATARA_DATA_DIR to its data folder",
  );
}
