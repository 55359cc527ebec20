import { STATUS_CONTEXT } from "../../domain/commit-status.ts";
import type { CommitState } from "../../domain/commit-status.ts";
import type { ForgeView, ShownStatus } from "../../invariants/world.ts";

const ASK_MS = 10_000;
const PER_PAGE = 100;

/** What GitHub shows on commits, asked with the credential that statuses are posted with. */
export function githubStatuses(apiUrl: string, token: string, signal: AbortSignal): ForgeView {
  return {
    statusesOf: async (repo, sha) => {
      const url = `${apiUrl}/repos/${repo}/commits/${sha}/statuses?per_page=${PER_PAGE}`;
      const headers = {
        authorization: `Bearer ${token}`,
        accept: "application/vnd.github+json",
        "user-agent": "tatara-doctor",
      };
      const limit = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]);
      // A forge that is away is no broken promise: the outbox waits for it.
      const response = await fetch(url, { headers, signal: limit }).catch(() => undefined);
      signal.throwIfAborted();
      if (response?.ok !== true) return undefined;
      return shownIn(await response.json());
    },
  };
}

/** GitHub's list is newest first, and has other programs' contexts. */
function shownIn(list: unknown): readonly ShownStatus[] {
  if (!Array.isArray(list)) return [];
  const own = (list as readonly Readonly<Record<string, unknown>>[]).filter(
    ({ context }) => context === STATUS_CONTEXT,
  );
  return own.toReversed().map(({ state, target_url }) => ({
    state: state as CommitState,
    targetUrl: typeof target_url === "string" ? target_url : null,
  }));
}
