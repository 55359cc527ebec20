import { describeStatus } from "../../domain/commit-status.ts";
import type { Forge, StatusToPost } from "./forge.ts";
import { toPostResult } from "./post-result.ts";
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
  const post = async (status: StatusToPost, signal: AbortSignal): Promise<ForgeAnswer | Error> => {
    const { repo, sha, state, context, targetUrl } = status;
    const description = describeStatus(status.description);
    try {
      const response = await fetch(`${serverUrl}/api/repos/${repo}/statuses/${sha}`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ state, context, description, target_url: targetUrl }),
        redirect: "manual",
        signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]),
      });
      const message = (await response.text()).slice(0, MESSAGE_MAX);
      return { status: response.status, headers: Object.fromEntries(response.headers), message };
    } catch (err) {
      signal.throwIfAborted();
      // What went wrong is the cause; the error itself only says "fetch failed".
      const cause = err instanceof Error && err.cause instanceof Error ? err.cause : err;
      return cause instanceof Error ? cause : new Error(String(cause));
    }
  };

  return {
    postStatus: async (status, signal) => toPostResult(await post(status, signal), now()),
    // One process takes what is posted in the order it comes, so nothing arrives late there.
    readState: async () => undefined,
  };
}
