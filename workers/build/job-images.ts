import type { JobSpec, PlannedImage } from "../../src/domain/job-spec.ts";
import { InfraFault, UserFault } from "../../src/domain/faults.ts";
import type { PipelineImage } from "../../src/domain/pipeline.ts";
import type { Engine, Image, SecretFile } from "./engine.ts";
import { begin, ownerOf } from "./job.ts";
import type { Job } from "./job.ts";
import type { JobNetworks } from "./job-networks.ts";
import type { FailedStep, StepNotes } from "./job-steps.ts";
import type { StepLog } from "./log/step-log.ts";
import type { StepMemo } from "./resume/journal.ts";
import type { Commit } from "./source/commit.ts";
import { makeImage } from "./steps/image.ts";
import type { ImageDeps, ImageOutcome } from "./steps/image.ts";

/** The images of one attempt: those with a step are made in it, the others when somebody asks. */
export interface JobImages {
  /** The image that the last builds had under this key; containers may be prepared in it. */
  expected(key: string): Image | undefined;
  /** Runs the image's own step. */
  make(planned: PlannedImage & { readonly step: string }): Promise<Image | FailedStep>;
  /** One that has no step of its own. */
  find(key: string): Promise<Image>;
  /** For a service: one of the job's images if it is the same, else looked up or built. */
  forService(image: PipelineImage, log: Pick<ImageDeps, "say" | "write">): Promise<Image>;
}

export interface JobImagesParts {
  readonly spec: JobSpec;
  readonly commit: Commit;
  readonly networks: JobNetworks;
}

export function jobImages(job: Job, { spec, commit, networks }: JobImagesParts): JobImages {
  const { deps, signal, steps } = job;
  const { images: memory } = deps;
  const making = new Map<string, Promise<Image>>();
  const imageOf = (key: string): PipelineImage => {
    const found = spec.images.find((each) => each.key === key);
    if (found === undefined) throw new Error(`The job has no image "${key}".`);
    return found.image;
  };
  const build = async (
    image: PipelineImage,
    name: { readonly owner: string; readonly cache: string },
    log: Pick<ImageDeps, "say" | "write">,
  ): Promise<ImageOutcome> => {
    const options = imageDeps(job, spec, name);
    // What a stranger's Dockerfile runs may reach no more than what a stranger's test runs.
    const isClosed = options.isUntrusted && image.kind === "dockerfile";
    const closed = isClosed ? { network: await networks.shared("mirrors") } : {};
    return await makeImage(image, commit, { ...options, ...closed, ...log }, signal);
  };
  const outside = async (
    image: PipelineImage,
    name: { readonly owner: string; readonly cache: string },
    log: Pick<ImageDeps, "say" | "write">,
  ): Promise<Image> => {
    const outcome = await build(image, name, log);
    if (outcome.state === "passed") return outcome.image;
    throw imageFault(outcome);
  };

  return {
    expected: (key) => memory.expected(memoryName(job, imageOf(key))),
    make: async ({ step, key, image }) => {
      const names = { owner: step, cache: key };
      const body = async (log: StepLog, notes: StepNotes) => {
        const startedAt = performance.now();
        const outcome = await build(image, names, log);
        if (outcome.state === "failed") return outcome;
        noteReuse(job, outcome, performance.now() - startedAt, notes);
        return { ...outcome, memo: { image: { ...outcome.image, env: [...outcome.image.env] } } };
      };
      const again = (memo: StepMemo) => remade(job, memo, () => build(image, names, SILENT));
      const made = await steps.run<ImageOutcome & { readonly memo?: StepMemo }>(step, body, {
        again,
      });
      if (made.state === "failed") return made;
      memory.remember(memoryName(job, image), made.image);
      making.set(key, Promise.resolve(made.image));
      return made.image;
    },
    find: (key) => {
      const image = imageOf(key);
      const names = { owner: `IMAGE.${key}`, cache: key };
      const found = making.get(key) ?? begin(job, outside(image, names, SILENT));
      making.set(key, found);
      return found;
    },
    forService: async (image, log) => {
      const same = spec.images.find((each) => isSame(each.image, image));
      const known = same && making.get(same.key);
      const name = `SERVICE.${JSON.stringify(image)}`;
      const found = known ?? making.get(name) ?? outside(image, { owner: name, cache: name }, log);
      making.set(same?.key ?? name, found);
      return await found;
    },
  };
}

const SILENT = { say: () => undefined, write: () => undefined };

type MadeImage = Extract<ImageOutcome, { state: "passed" }>;

/** An image that was made before this worker was restarted; gone, it is made again without a word. */
async function remade(
  { deps, signal }: Job,
  { image }: StepMemo,
  build: () => Promise<ImageOutcome>,
): Promise<MadeImage> {
  if (image !== undefined && (await isThere(deps.engine, image.id, signal))) {
    return { state: "passed", image, note: null, layers: null };
  }
  const outcome = await build();
  if (outcome.state === "passed") return outcome;
  throw new InfraFault(
    "ENGINE_FAILED",
    `An image could not be made again: ${outcome.failure.message}`,
  );
}

async function isThere(engine: Engine, id: string, signal: AbortSignal): Promise<boolean> {
  return await engine.findImage(id, signal, { pull: "never" }).then(
    () => true,
    (err: unknown) => {
      signal.throwIfAborted();
      if (err instanceof InfraFault || err instanceof UserFault) return false;
      throw err;
    },
  );
}

function isSame(one: PipelineImage, other: PipelineImage): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function memoryName({ grant }: Job, image: PipelineImage): string {
  return `${grant.build.repo} ${grant.build.trust} ${JSON.stringify(image)}`;
}

/** Layers and the build's cache are never shared between trust classes, nor between two images. */
function imageDeps(
  job: Job,
  spec: JobSpec,
  name: { readonly owner: string; readonly cache: string },
): Omit<ImageDeps, "say" | "write" | "network"> {
  const { engine, outbound, baseImage, limits } = job.deps;
  const { repo, trust } = job.grant.build;
  const isFirst = spec.images[0]?.key === name.cache;
  const isUntrusted = trust === "fork-pr";
  return {
    engine,
    // Who may push reaches the same places from a step, and registries of teams are often inside.
    outbound: isUntrusted ? outbound : undefined,
    baseImage,
    owner: ownerOf(job, name.owner),
    cacheName: [
      repo,
      trust === "trusted" ? "" : trust,
      isFirst ? "" : `${spec.project} ${name.cache}`,
    ]
      .join(" ")
      .trim(),
    isFresh: spec.fresh,
    isUntrusted,
    timeoutMsMax: limits.timeoutMs,
    secrets: job.grant.secrets satisfies readonly SecretFile[],
  };
}

/** What was answered from earlier builds, and what that saved as far as this worker knows. */
function noteReuse(
  { deps }: Job,
  { image, layers }: Extract<ImageOutcome, { state: "passed" }>,
  tookMs: number,
  notes: StepNotes,
): void {
  if (layers === null) return;
  const { reused, total } = layers;
  if (reused < total) deps.images.rememberMaking(image, tookMs);
  if (reused === 0) return;
  const known = reused === total ? deps.images.makingMs(image) : undefined;
  const savedMs = known === undefined ? null : Math.max(0, Math.round(known - tookMs));
  notes.add({ reuse: [{ what: `layers ${reused} of ${total}`, savedMs }] });
}

/** An image without a step of its own fails the step that asked for it. */
function imageFault({ failure }: Extract<ImageOutcome, { state: "failed" }>): UserFault {
  const { code, message, hint, file, line } = failure;
  return new UserFault(code, message, {
    hint: hint ?? "See the log.",
    ...(file === null ? {} : { file }),
    ...(line === null ? {} : { line }),
  });
}
