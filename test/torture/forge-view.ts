import type { CommitState } from "../../src/domain/commit-status.ts";
import type { ForgeView } from "../../src/invariants/world.ts";
import type { ForgeDouble } from "../support/forge-double.ts";

/** What the double shows on commits, without asking it over the network. */
export function forgeView(forge: ForgeDouble): ForgeView {
  return {
    statusesOf: (repo, sha) => {
      const all = forge.api.statusesOf(sha).filter((status) => status.repo === repo);
      // What was overtaken on its way was not said after the other; as the last word it counts.
      const shown = all.filter(({ arrival }, index) => {
        const isLast = index === all.length - 1;
        return isLast || !all.slice(0, index).some((earlier) => earlier.arrival > arrival);
      });
      return Promise.resolve(
        shown.map(({ state, targetUrl }) => ({
          state: state as CommitState,
          targetUrl,
        })),
      );
    },
  };
}
