import { join } from "node:path";
import type { JobSpec, PlannedPackage } from "../../src/domain/job-spec.ts";
import type { PackageVersion } from "../../src/domain/package-version.ts";
import type { Image } from "./engine.ts";
import { begin, inLife, ownerOf } from "./job.ts";
import type { Job } from "./job.ts";
import type { JobImages } from "./job-images.ts";
import { egressOf, mirrorsMissing } from "./job-networks.ts";
import type { JobNetworks } from "./job-networks.ts";
import type { KeptCopy } from "./keep/job-kept.ts";
import { appendKept } from "./keep/put-kept.ts";
import { holdLog } from "./log/held-log.ts";
import type { HeldLog } from "./log/held-log.ts";
import type { FailedStep, Passed } from "./job-steps.ts";
import type { StepMemo } from "./resume/journal.ts";
import { openBuildRepos } from "./package/build-repos.ts";
import { preparePackage } from "./package/package-step.ts";
import type {
  PackageDeps,
  PackageOutcome,
  PackageWorkspace,
  PreparedPackage,
} from "./package/package-types.ts";
import { packageCache } from "./package-cache.ts";
import { plainRelease } from "./package/version.ts";
import type { Commit } from "./source/commit.ts";
import { appendedTree } from "./source/tree-tar.ts";
import { readableSecrets, secretPaths, withheldSecrets } from "./secrets.ts";
import { stepEnvironment } from "./step-environment.ts";
import { boundLimits } from "./step-limits.ts";

/** A package whose container is there, in an image that the job probably has. */
export interface Packaging {
  readonly image: Image;
  readonly prepared: Promise<PreparedPackage>;
  /** Its output, held back until the step is there. */
  readonly output: HeldLog;
  readonly warnings: readonly string[];
}

export interface PackagingParts {
  readonly spec: JobSpec;
  readonly commit: Commit;
  readonly networks: JobNetworks;
  readonly images: JobImages;
  readonly planned: PlannedPackage;
  readonly version: Promise<PackageVersion | null>;
  /** What tests run in, and `run`. */
  readonly image: Image;
  /** What tests kept for it, by the time it is prepared. */
  readonly kept: readonly KeptCopy[];
  /** Told apart from an earlier preparation of the same step. */
  readonly isSecond: boolean;
}

export function preparePackaging(job: Job, parts: PackagingParts): Packaging {
  const { planned, image } = parts;
  const output = holdLog(job.record.log(planned.step).write);
  const { limits, warnings } = boundLimits(planned, job.deps.limits);
  const prepared = begin(job, prepare(job, parts, { output, limits }));
  const withheld = withheldSecrets(job.grant, planned.secrets);
  return { image, prepared, output, warnings: [...warnings, ...withheld] };
}

async function prepare(
  job: Job,
  parts: PackagingParts,
  { output, limits }: { readonly output: HeldLog; readonly limits: PackageDeps["limits"] },
): Promise<PreparedPackage> {
  const { deps, signal, grant } = job;
  const { spec, planned, images, commit, kept, networks } = parts;
  const version = await parts.version;
  const request = {
    plan: planned,
    target: spec.target,
    projectPath: spec.projectPath,
    commit,
    version,
    hasKeptFiles: kept.length > 0,
  };
  const secrets = readableSecrets(grant, planned.secrets);
  let isToldOfMirrors = false;
  const packageDeps: PackageDeps = {
    engine: deps.engine,
    owner: (part) => ownerOf(job, stepName(parts, part)),
    images: {
      project: parts.image,
      planned: (key) => images.find(key),
      builderOf: (target) => builderOf(job, target),
      facts: deps.builders,
    },
    limits,
    scripts: deps.packageScripts,
    env: (place) => ({
      ...spec.params,
      ...planned.env,
      ...packageEnvironment(job, parts, version, place),
      ...secretPaths(secrets),
    }),
    secrets,
    network: async (egress) => {
      const network = await networks.shared(egressOf(job, egress));
      if (network === "none") throw new Error("A step without a network asked for one.");
      const missing = isToldOfMirrors ? undefined : mirrorsMissing(network);
      if (missing !== undefined) void output.write(Buffer.from(`${missing}\n`));
      isToldOfMirrors = true;
      return network;
    },
    openWorkspace: () => openWorkspace(job, parts),
    openRepos: (names, target, network) => {
      const { serverUrl, yumSources: sources } = deps;
      return openBuildRepos({ names, target, network, serverUrl, sources }, signal);
    },
    cache: packageCache(job, parts),
    isFresh: spec.fresh,
    write: output.write,
    dir: join(job.dir, "rpms", planned.step),
  };
  return await preparePackage(request, packageDeps, signal);
}

function stepName({ planned, isSecond }: PackagingParts, part: string): string {
  return [planned.step, part, isSecond ? "SECOND" : ""].filter((word) => word !== "").join(".");
}

function packageEnvironment(
  { grant }: Job,
  { spec, planned, commit }: PackagingParts,
  version: PackageVersion | null,
  place: { readonly home: string; readonly workspace: string },
): Readonly<Record<string, string>> {
  const { sha, committedAtSeconds } = commit;
  return stepEnvironment({
    build: grant.build,
    sha,
    committedAtSeconds,
    project: spec.project,
    step: planned.step,
    target: spec.target,
    packageVersion: version?.version ?? "",
    packageRelease: version === null ? "" : plainRelease(version),
    ...place,
  });
}

/** The image that the operator named for the target, else the server's own. */
async function builderOf({ deps, signal }: Job, target: string): Promise<Image> {
  const named = deps.targets.find((each) => each.target === target);
  return await deps.engine.findImage(named?.image ?? deps.baseImage, signal);
}

async function openWorkspace(job: Job, parts: PackagingParts): Promise<PackageWorkspace> {
  const { commit, image, kept, planned } = parts;
  const options = {
    owner: ownerOf(job, inLife(job, stepName(parts, "WORKSPACE"))),
    image,
    tree: (owner: { uid: number; gid: number }) =>
      appendedTree(commit.openTree(job.signal), owner, (tar) => appendKept(tar, kept, owner)),
    steps: [planned.step],
  };
  const workspace = await job.deps.engine.createWorkspace(options, job.signal);
  const { uid, gid, home } = workspace;
  return { volume: workspace.volumeFor(planned.step), uid, gid, home };
}

/** The package's step as it ended before this worker was restarted; undefined: it had not. */
export async function packagedBefore(
  { memory, steps }: Job,
  { step }: PlannedPackage,
): Promise<Passed<PackageOutcome> | FailedStep | undefined> {
  if (!memory.ended.has(step)) return undefined;
  const none = { state: "passed", warnings: [], note: null, reused: null } as const;
  const again = async ({ packages = [] }: StepMemo) => ({ ...none, files: packages });
  return await steps.run<PackageOutcome>(
    step,
    () => Promise.reject(new Error(`The step "${step}" has ended, and nobody knows how.`)),
    { again },
  );
}

/** Runs the package's step: what was begun before is shown now, and its files go to the server. */
export async function runPackaging(
  job: Job,
  planned: PlannedPackage,
  ahead: {
    readonly packaging: Packaging;
    readonly built: Promise<PackageOutcome>;
    readonly startedAt: number;
  },
): Promise<Passed<PackageOutcome> | FailedStep> {
  return await job.steps.run<PackageOutcome & { readonly memo?: StepMemo }>(
    planned.step,
    async (log, notes) => {
      const { packaging, built } = ahead;
      packaging.output.release();
      const outcome = await built;
      if (outcome.state === "failed") return outcome;
      const { files, warnings, reused } = outcome;
      for (const { fileName, sizeBytes } of files) {
        log.say(`tatara: ${fileName}, ${Math.ceil(sizeBytes / 1024)} KiB`);
      }
      notes.add({
        warnings: [...packaging.warnings, ...warnings],
        reuse: reused === null ? [] : [{ what: reused, savedMs: null }],
      });
      await Promise.all(files.map(job.record.upload));
      return { ...outcome, memo: { packages: [...files] } };
    },
    { startedAt: ahead.startedAt },
  );
}
