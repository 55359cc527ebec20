import type { PlannedTest } from "../../src/domain/job-spec.ts";
import type { BuildJob } from "./job-parts.ts";
import { cacheWish } from "./cache/cache-key.ts";
import type { CacheWish } from "./cache/cache-key.ts";
import { restoreCache, saveCache } from "./cache/step-cache.ts";
import type { CachePlace, RestoredCache } from "./cache/step-cache.ts";
import type { Container, Image } from "./engine.ts";
import { WORKSPACE } from "./prepare.ts";
import type { StepUser, TestPlace } from "./prepare.ts";

/** Puts the cache of a test into its container, before it starts. */
export function restoreFor(build: Parts, key: string) {
  return async (
    test: CachedStep,
    image: Image,
    user: StepUser,
    container: Pick<Container, "putArchive">,
  ): Promise<RestoredCache | undefined> => {
    const wish = wishOf(build, test, { key, image });
    if (wish === undefined || test.cache === null) return undefined;
    if (build.spec.fresh) {
      return { found: undefined, line: "tatara: fresh build: no cache is used", reuse: [] };
    }
    const { caches: store } = build.job.deps;
    const place = placeOf(test.cache.paths, user);
    return await restoreCache(container, { store, wish, place }, build.job.signal);
  };
}

/** Saves the cache of a test that has passed; what happened, for its log. */
export async function saveFor(
  build: Parts,
  test: CachedStep,
  {
    container,
    image,
    user,
    restored,
    key,
  }: Pick<TestPlace, "container" | "image" | "user" | "restored"> & { readonly key: string },
  tookMs: number,
): Promise<string | undefined> {
  const wish = wishOf(build, test, { key, image });
  if (wish === undefined || test.cache === null) return undefined;
  const { job } = build;
  const { number: buildNumber } = job.grant.build;
  const place = placeOf(test.cache.paths, user);
  const { caches: store } = job.deps;
  const found = restored?.found ?? undefined;
  const made = { store, wish, place, restored: found, buildNumber, tookMs };
  return await saveCache(container, made, job.signal).catch((err: unknown) => {
    job.signal.throwIfAborted();
    // A cache may be missing at any time: the step has passed without it.
    job.deps.logger.warn({ err, jobId: job.grant.jobId, step: test.step }, "Cache not saved");
    return "tatara: the cache could not be saved";
  });
}

type Parts = Pick<BuildJob, "job" | "spec" | "commit">;
type CachedStep = Pick<PlannedTest, "step" | "cache" | "user">;

function wishOf(
  { job, spec, commit }: Parts,
  step: Pick<PlannedTest, "cache" | "user">,
  { key, image }: { readonly key: string; readonly image: Image },
): CacheWish | undefined {
  const planned = spec.images.find((each) => each.key === key);
  if (planned === undefined) return undefined;
  const { build, cacheEpoch: epoch } = job.grant;
  return cacheWish({ build, spec, step, planned, image, entries: commit.entries, epoch });
}

function placeOf(paths: readonly string[], user: StepUser): CachePlace {
  return { paths, home: user.home, workspace: WORKSPACE, user };
}
