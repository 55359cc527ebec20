import type { Announcer } from "./announcer.ts";
import type { BuildActions } from "./routes/web-deps.ts";
import { cancelBuild, rerunBuild } from "./store/builds.ts";
import type { Store } from "./store/store.ts";

/** What people and programs may do to a build: on disk first, then told. */
export function buildActions(store: Store, announcer: Announcer): BuildActions {
  return {
    cancel: async (buildId, by) => {
      const cancelled = await store.write((tx) => cancelBuild(tx, buildId, by));
      if (cancelled.result !== "not-found") announcer.announce(cancelled);
      return cancelled.result;
    },
    rerun: async (buildId, by) => {
      const rerun = await store.write((tx) => rerunBuild(tx, buildId, by));
      if (rerun.kind !== "queued") return rerun.kind;
      announcer.announce(rerun);
      return { id: rerun.id, number: rerun.number };
    },
  };
}
