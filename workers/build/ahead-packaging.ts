import type { PlannedPackage } from "../../src/domain/job-spec.ts";
import type { Image } from "./engine.ts";
import type { BuildJob } from "./job-parts.ts";
import { begin } from "./job.ts";
import type { Job } from "./job.ts";
import type { PackageOutcome } from "./package/package-types.ts";
import { preparePackaging } from "./packaging.ts";
import type { Packaging } from "./packaging.ts";

/** Files that tests kept in other jobs of the build; no step has such a name. */
export const OTHER_JOBS = "OTHER-JOBS";

export interface Ahead {
  /** The project's image is there, or the job has none. */
  start(image?: Image): void;
  /** What was begun for this package; undefined: nothing was. */
  of(planned: PlannedPackage): Promise<AheadPackage> | undefined;
}

export interface AheadPackage {
  readonly packaging: Packaging;
  readonly built: Promise<PackageOutcome>;
  readonly startedAt: number;
}

/**
 * rpmbuild works beside the tests. Until they have passed nobody sees it, and if they fail it is
 * dropped with its container, so that it looks as if it had never begun. Only the first package, and
 * only if it needs nothing that a test leaves, runs no commands of the user's before, and is not built
 * in an image that has a step of its own.
 */
export function aheadPackaging(build: BuildJob): Ahead {
  const { job, spec, images } = build;
  const [planned] = spec.packages;
  const [own] = spec.images;
  const keepsFiles = spec.tests.some(({ keep }) => keep !== null);
  const builder = spec.images.find(({ key }) => key === planned?.image);
  const isMade = builder === undefined || builder === own || builder.step === null;
  const isAhead =
    planned !== undefined &&
    !job.memory.ended.has(planned.step) &&
    planned.run === null &&
    !keepsFiles &&
    own !== undefined &&
    isMade;
  if (!isAhead) return { start: () => undefined, of: () => undefined };

  const expected = images.expected(own.key);
  const early = expected && prepareOne(build, planned, { image: expected, isSecond: false });
  let begun: Promise<AheadPackage> | undefined;
  return {
    start: (image) => {
      if (image === undefined) return;
      const packaging =
        early?.image.id === image.id
          ? early
          : prepareOne(build, planned, { image, isSecond: early !== undefined });
      begun = begin(job, startOne(job, packaging));
    },
    of: (one) => (one === planned ? begun : undefined),
  };
}

function prepareOne(
  build: BuildJob,
  planned: PlannedPackage,
  { image, isSecond }: { readonly image: Image; readonly isSecond: boolean },
): Packaging {
  const version = build.versions.get(planned.step) ?? Promise.resolve(null);
  const kept = build.kept.of([OTHER_JOBS, ...build.spec.tests.map(({ step }) => step)]);
  return preparePackaging(build.job, { ...build, planned, image, isSecond, version, kept });
}

async function startOne(job: Job, packaging: Packaging): Promise<AheadPackage> {
  const prepared = await packaging.prepared;
  const startedAt = job.deps.now();
  return { packaging, built: begin(job, prepared.build(job.signal)), startedAt };
}

export async function startNow(build: BuildJob, planned: PlannedPackage) {
  const { job, spec, images } = build;
  const [own] = spec.images;
  const image = own ? await images.find(own.key) : await builderImage(build);
  const packaging = prepareOne(build, planned, { image, isSecond: false });
  const building = packaging.prepared.then((prepared) => prepared.build(job.signal));
  return { packaging, built: begin(job, building), startedAt: job.deps.now() };
}

/** A job that only packages has no image of the project; nothing of it runs in one. */
async function builderImage({ job, spec }: BuildJob): Promise<Image> {
  const { engine, baseImage, targets } = job.deps;
  const named = targets.find(({ target }) => target === spec.target);
  return await engine.findImage(named?.image ?? baseImage, job.signal);
}
