import type { z } from "zod";
import { githubCaller, type GithubCall } from "./github.ts";
import { toPostResult, type ForgeAnswer } from "./post-result.ts";

/** What became of a question to GitHub's API. */
export type GithubAnswer<T> =
  | { readonly kind: "done"; readonly value: T }
  /** The credential may not see or use this. */
  | { readonly kind: "not-allowed"; readonly reason: string }
  /** Nothing with this credential before that. */
  | { readonly kind: "wait"; readonly afterMs: number; readonly reason: string }
  | { readonly kind: "unavailable"; readonly reason: string };

export interface GithubPage<T> {
  readonly data: T;
  /** Address of the next page, relative to the API. */
  readonly next: string | undefined;
}

/** Asks GitHub's API. Only `signal`'s reason is thrown. */
export interface GithubReader {
  /** Each address is read by one schema, always the same. */
  page<T>(
    url: string,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<GithubAnswer<GithubPage<T>>>;
  post(url: string, signal: AbortSignal): Promise<GithubAnswer<undefined>>;
}

export interface GithubReaderOptions {
  readonly apiUrl: string;
  readonly token: string;
  readonly now: () => number;
}

/**
 * Answers that are kept to ask only for what is new; GitHub does not count a question so answered. Of
 * each only what is read of it is kept: all of a full page would be a hundred kilobytes.
 */
const REMEMBERED_MAX = 2_000;
const UNREADABLE = { kind: "unavailable", reason: "GitHub's answer could not be read" } as const;

export function githubReader({ apiUrl, token, now }: GithubReaderOptions): GithubReader {
  const send: GithubCall = githubCaller({ apiUrl, token });
  const remembered = new Map<
    string,
    { readonly etag: string; readonly page: GithubPage<unknown> }
  >();
  const remember = (
    url: string,
    etag: string | number | undefined,
    page: GithubPage<unknown>,
  ): void => {
    // A later page has another address each time.
    if (etag === undefined || url.includes("cursor=")) return;
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    remembered.set(url, { etag: String(etag), page });
  };

  return {
    page: async <T>(url: string, schema: z.ZodType<T>, signal: AbortSignal) => {
      const known = remembered.get(url) as { etag: string; page: GithubPage<T> } | undefined;
      const headers = known === undefined ? {} : { "if-none-match": known.etag };
      const answer = await send("GET", url, { headers }, signal);
      if (known !== undefined && !(answer instanceof Error) && answer.status === 304) {
        return { kind: "done", value: known.page };
      }
      const refusal = refusalOf(answer, now());
      if (refusal !== undefined || answer instanceof Error) return refusal ?? UNREADABLE;
      const parsed = schema.safeParse(answer.data);
      if (!parsed.success) return UNREADABLE;
      const next = nextOf(String(answer.headers["link"] ?? ""), apiUrl);
      const page = { data: parsed.data, next };
      remember(url, answer.headers["etag"], page);
      return { kind: "done", value: page };
    },
    post: async (url, signal) => {
      const answer = await send("POST", url, {}, signal);
      return refusalOf(answer, now()) ?? { kind: "done", value: undefined };
    },
  };
}

function refusalOf(answer: ForgeAnswer | Error, now: number) {
  const result = toPostResult(answer, now);
  if (result.kind === "sent") return undefined;
  const { reason } = result;
  if (result.kind === "wait") return { kind: "wait", afterMs: result.afterMs, reason } as const;
  if (result.kind === "unavailable" && result.isOutage) {
    return { kind: "unavailable", reason } as const;
  }
  return { kind: "not-allowed", reason } as const;
}

/** Only an address on the same API is followed: the token must reach no other host. */
function nextOf(link: string, apiUrl: string): string | undefined {
  const [, next] = /<([^>]+)>;\s*rel="next"/.exec(link) ?? [];
  if (next === undefined || !next.startsWith(`${apiUrl}/`) || /[{}]/.test(next)) return undefined;
  return next.slice(apiUrl.length);
}
