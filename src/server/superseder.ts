import type { Logger } from "../shared/logger.ts";
import { TOPICS, type TopicWriter } from "../shared/topics.ts";
import type { Announcer } from "./announcer.ts";
import type { GitRepos } from "./git-repos.ts";
import {
  isToldDescendant,
  supersede,
  supersessionsOf,
  type Supersession,
} from "./store/supersede.ts";
import type { Store } from "./store/store.ts";
import { waitsForApproval } from "./store/stored-plan.ts";

export interface Superseder {
  /**
   * Looks at a build that is new, or whose plan is: does it end an older one, or a newer one it?
   * Never rejects: what is missed here runs to its end, and costs time only.
   */
  consider(buildId: string): Promise<void>;
}

export interface SupersederDeps {
  readonly store: Store;
  readonly repos: Pick<GitRepos, "isAncestor">;
  readonly announcer: Announcer;
  readonly topics: TopicWriter;
  readonly logger: Logger;
}

/**
 * Ends builds that a newer push has made pointless, and only where the newer one is proven to follow:
 * by git for our own remote, by the forge's account of its moves elsewhere. A forced push keeps both.
 */
export function createSuperseder(deps: SupersederDeps): Superseder {
  const { store, repos, announcer, topics, logger } = deps;

  const isProven = async (pair: Supersession): Promise<boolean> => {
    const { older, newer } = pair;
    if (older.sha === null || newer.sha === null) return false;
    // What waits for approval was for that one commit; any other push ends it.
    if (waitsForApproval(older)) return true;
    if (newer.forge === "own") return await repos.isAncestor(newer.repo, older.sha, newer.sha);
    return await isToldDescendant(store, pair);
  };

  let turn: Promise<unknown> = Promise.resolve();
  // One after the other: all that wait for the database at the same time wake whenever one has had it.
  const pairsOf = (buildId: string): Promise<readonly Supersession[]> => {
    const pairs = turn.then(() => supersessionsOf(store, buildId));
    turn = pairs.catch(() => undefined);
    return pairs;
  };

  return {
    consider: async (buildId) => {
      try {
        for (const pair of await pairsOf(buildId)) {
          if (!(await isProven(pair))) continue;
          const ended = await store.write((tx) => supersede(tx, pair));
          if (ended === undefined) continue;
          announcer.announce(ended);
          for (const jobId of ended.running) {
            void topics.publish(TOPICS.cancel, jobId).catch(() => undefined);
          }
        }
      } catch (err) {
        logger.warn({ err, buildId }, "Could not find out whether a build is superseded");
      }
    },
  };
}
