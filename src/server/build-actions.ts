import { TOPICS, type TopicWriter } from "../shared/topics.ts";
import type { Announcer } from "./announcer.ts";
import type { BuildActions } from "./routes/web-deps.ts";
import { cancelBuild, rerunBuild } from "./store/builds.ts";
import type { Store } from "./store/store.ts";

export interface ActionDeps {
  readonly store: Store;
  readonly announcer: Announcer;
  readonly topics: TopicWriter;
}

/** What people and programs may do to a build: on disk first, then told. */
export function buildActions({ store, announcer, topics }: ActionDeps): BuildActions {
  return {
    cancel: async (buildId, by) => {
      const cancelled = await store.write((tx) => cancelBuild(tx, buildId, by));
      if (cancelled.result !== "not-found") announcer.announce(cancelled);
      // A hint: the worker hears it at once, or else with its next heartbeat.
      for (const jobId of cancelled.running) {
        void topics.publish(TOPICS.cancel, jobId).catch(() => undefined);
      }
      return cancelled.result;
    },
    rerun: async (buildId, by, options = {}) => {
      const rerun = await store.write((tx) => rerunBuild(tx, buildId, by, options));
      if (rerun.kind !== "queued") return rerun.kind;
      announcer.announce(rerun);
      return { id: rerun.id, number: rerun.number };
    },
  };
}
