import type { JobSpec, PlannedPackage } from "../../src/domain/job-spec.ts";
import { cacheWish } from "./cache/cache-key.ts";
import type { FoundCache } from "./cache/cache-store.ts";
import { restoreCache, saveCache } from "./cache/step-cache.ts";
import type { Image } from "./engine.ts";
import type { Job } from "./job.ts";
import type { PackageDeps } from "./package/package-types.ts";
import type { Commit } from "./source/commit.ts";

const WORKSPACE = "/workspace";

export interface PackageCacheParts {
  readonly spec: JobSpec;
  readonly commit: Commit;
  readonly planned: PlannedPackage;
  /** What `run` runs in: the project's. */
  readonly image: Image;
}

/** The cache around `package.run`, like that of a test; null: the file asks for none. */
export function packageCache(
  { grant, deps, signal }: Pick<Job, "grant" | "deps" | "signal">,
  { spec, commit, planned: step, image }: PackageCacheParts,
): PackageDeps["cache"] {
  const planned = spec.images[0];
  if (planned === undefined || step.cache === null) return null;
  const { paths } = step.cache;
  const { build, cacheEpoch: epoch } = grant;
  const { entries } = commit;
  const facts = { cache: step.cache, user: "image" } as const;
  const wish = cacheWish({ build, spec, step: facts, planned, image, entries, epoch });
  if (wish === undefined) return null;
  const { caches: store } = deps;
  let restored: FoundCache | undefined;
  return {
    restore: async (container, user) => {
      if (spec.fresh) return ["tatara: fresh build: no cache is used"];
      const place = { paths, home: user.home, workspace: WORKSPACE, user };
      const found = await restoreCache(container, { store, wish, place }, signal);
      restored = found.found;
      return [found.line];
    },
    save: async (container, user, tookMs) => {
      const place = { paths, home: user.home, workspace: WORKSPACE, user };
      const made = { store, wish, place, restored, buildNumber: build.number, tookMs };
      const line = await saveCache(container, made, signal).catch((err: unknown) => {
        signal.throwIfAborted();
        // A cache may be missing at any time: the packages are made without it.
        deps.logger.warn({ err, jobId: grant.jobId, step: step.step }, "Cache not saved");
        return "tatara: the cache could not be saved";
      });
      return line === undefined ? [] : [line];
    },
  };
}
