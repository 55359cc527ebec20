import { Octokit } from "@octokit/core";
import { z } from "zod";
import { describeStatus } from "../../domain/commit-status.ts";
import type { Forge, StatusToPost } from "./forge.ts";
import { newestState, toPostResult } from "./post-result.ts";
import type { ForgeAnswer } from "./post-result.ts";

const CALL_TIMEOUT_MS = 10_000;
const STATUSES_PER_PAGE = 100;
const NOTHING = (): void => {};
const SILENT = { debug: NOTHING, info: NOTHING, warn: NOTHING, error: NOTHING };

/**
 * GitHub, or a GitHub Enterprise server at `apiUrl`. No throttling plug-in: it would space posts a
 * second apart, and the outbox already waits for whatever the forge asks.
 */
export function githubForge({
  apiUrl,
  token,
  now,
  timeoutMs = CALL_TIMEOUT_MS,
}: {
  readonly apiUrl: string;
  readonly token: string;
  readonly now: () => number;
  readonly timeoutMs?: number;
}): Forge {
  const send = githubCaller({ apiUrl, token, timeoutMs });

  const post = async (url: string, status: StatusToPost, signal: AbortSignal) => {
    const { state, context, targetUrl } = status;
    const description = describeStatus(status.description);
    return await send("POST", url, { state, context, description, target_url: targetUrl }, signal);
  };

  return {
    postStatus: async (status, signal) => {
      const answer = await post(`/repos/${status.repo}/statuses/${status.sha}`, status, signal);
      const newUrl = renamedTo(answer, apiUrl);
      const last = newUrl === undefined ? answer : await post(newUrl, status, signal);
      return toPostResult(last, now());
    },
    readState: async ({ repo, sha, context }, signal) => {
      const url = `/repos/${repo}/commits/${sha}/statuses`;
      const answer = await send("GET", url, { per_page: STATUSES_PER_PAGE }, signal);
      return "data" in answer ? newestState(answer.data, context) : undefined;
    },
  };
}

/** One request to GitHub's API; what goes wrong is returned, and only `signal`'s reason is thrown. */
export type GithubCall = (
  method: "GET" | "POST",
  url: string,
  fields: object,
  signal: AbortSignal,
) => Promise<(ForgeAnswer & { readonly data?: unknown }) | Error>;

export function githubCaller({
  apiUrl,
  token,
  timeoutMs = CALL_TIMEOUT_MS,
}: {
  readonly apiUrl: string;
  readonly token: string;
  readonly timeoutMs?: number;
}): GithubCall {
  const octokit = new Octokit({ baseUrl: apiUrl, auth: token, userAgent: "tatara", log: SILENT });
  return async (method, url, fields, signal) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    // Redirects are ours to judge: the token must reach no other host.
    const request = { signal: limit, redirect: "manual" as const, log: SILENT };
    try {
      return { message: "", ...(await octokit.request({ ...fields, method, url, request })) };
    } catch (err) {
      signal.throwIfAborted();
      return answerOf(err);
    }
  };
}

/** GitHub sends a renamed repo's callers to its new address, which must be on the same host. */
function renamedTo(answer: ForgeAnswer | Error, apiUrl: string): string | undefined {
  if (answer instanceof Error || ![301, 302, 307, 308].includes(answer.status)) return undefined;
  const location = String(answer.headers["location"]);
  // A literal address: the router would read braces as places to fill in.
  return location.startsWith(`${apiUrl}/`) && !location.includes("{") ? location : undefined;
}

const requestError = z.object({
  message: z.string(),
  response: z.object({
    status: z.number(),
    headers: z.record(z.string(), z.union([z.string(), z.number(), z.undefined()])),
  }),
});

/** An answer of 400 and above is thrown by the library, as is no answer at all. */
function answerOf(err: unknown): ForgeAnswer | Error {
  const parsed = requestError.safeParse(err);
  if (parsed.success) return { ...parsed.data.response, message: parsed.data.message };
  return err instanceof Error ? err : new Error(String(err));
}
