import { describeStatus } from "../../domain/commit-status.ts";
import type { Forge, StatusToPost } from "./forge.ts";
import { newestState, toPostResult } from "./post-result.ts";
import type { ForgeAnswer } from "./post-result.ts";

const CALL_TIMEOUT_MS = 10_000;
const MESSAGE_MAX = 500;

/** Tatara's own remote: the server shows statuses at an address of GitHub's shape. */
export function ownForge({
  serverUrl,
  token,
  now,
}: {
  readonly serverUrl: string;
  readonly token: string;
  readonly now: () => number;
}): Forge {
  const send = async (
    { repo, sha }: Pick<StatusToPost, "repo" | "sha">,
    request: { readonly method: "GET" | "POST"; readonly body?: string },
    signal: AbortSignal,
  ): Promise<(ForgeAnswer & { readonly text: string }) | Error> => {
    try {
      const response = await fetch(`${serverUrl}/api/repos/${repo}/statuses/${sha}`, {
        ...request,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        redirect: "manual",
        signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]),
      });
      const text = await response.text();
      const headers = Object.fromEntries(response.headers);
      return { status: response.status, headers, message: text.slice(0, MESSAGE_MAX), text };
    } catch (err) {
      signal.throwIfAborted();
      // What went wrong is the cause; the error itself only says "fetch failed".
      const cause = err instanceof Error && err.cause instanceof Error ? err.cause : err;
      return cause instanceof Error ? cause : new Error(String(cause));
    }
  };

  return {
    postStatus: async (status, signal) => {
      const { state, context, targetUrl } = status;
      const description = describeStatus(status.description);
      const body = JSON.stringify({ state, context, description, target_url: targetUrl });
      return toPostResult(await send(status, { method: "POST", body }, signal), now());
    },
    readState: async (status, signal) => {
      const answer = await send(status, { method: "GET" }, signal);
      if (answer instanceof Error || answer.status !== 200) return undefined;
      return newestState(parsedJson(answer.text), status.context);
    },
  };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Not a list either, so nothing could be read back.
  }
}
