import type { PlannedPackage } from "../../../src/domain/job-spec.ts";
import type { PackageVersion } from "../../../src/domain/package-version.ts";
import type { StepFailure } from "../../../src/domain/step.ts";
import type { Commit } from "../source/commit.ts";
import type {
  Container,
  ContainerLimits,
  Egress,
  Engine,
  Image,
  NetworkHandle,
  Owner,
  SecretFile,
} from "../engine.ts";
import type { RpmFile } from "../rpm-files.ts";
import type { BuildRepos } from "./build-repos.ts";
import type { PackageScripts } from "./scripts.ts";

/** One package of a job, and what of the job it needs. */
export interface PackageRequest {
  readonly plan: PlannedPackage;
  /** The job's; the package's own is another where it is read from the image. */
  readonly target: string;
  readonly projectPath: string;
  readonly commit: Commit;
  /** From `readPackageVersion`; null: the spec's own. */
  readonly version: PackageVersion | null;
  /** Tests kept files for this step: they are in the workspace, and it is read instead of the commit. */
  readonly hasKeptFiles: boolean;
}

export interface PackageDeps {
  readonly engine: Engine;
  /** Whose a container of this step is; `part` is "" or a word in capitals. */
  readonly owner: (part: string) => Owner;
  readonly images: PackageImages;
  readonly limits: ContainerLimits;
  readonly scripts: PackageScripts;
  /** The step's environment, for a container with these folders. */
  readonly env: (place: {
    readonly home: string;
    readonly workspace: string;
    readonly target: string;
  }) => Readonly<Record<string, string>>;
  readonly secrets: readonly SecretFile[];
  /** The job's network of this kind; the caller removes it with the job. */
  readonly network: (egress: Egress) => Promise<NetworkHandle>;
  /** A copy of the checkout of its own, with the kept files in place; asked for at most once. */
  readonly openWorkspace: () => Promise<PackageWorkspace>;
  /** What `repos` names, as a container on this network reaches it. */
  readonly openRepos: (
    names: readonly string[],
    target: string,
    network: NetworkHandle,
  ) => Promise<BuildRepos>;
  /** What `cache` asks for around `run`; null: nothing. */
  readonly cache: {
    /** Before it starts; what the log should say. */
    readonly restore: (container: Container, user: PackageWorkspace) => Promise<readonly string[]>;
    readonly save: (
      container: Container,
      user: PackageWorkspace,
      tookMs: number,
    ) => Promise<readonly string[]>;
  } | null;
  /** Uses no layer that an earlier build left. */
  readonly isFresh: boolean;
  readonly write: (chunk: Buffer) => Promise<void>;
  /** Folder for the RPMs on this worker. */
  readonly dir: string;
}

export interface PackageImages {
  /** What tests run in, and `run`. */
  readonly project: Image;
  /** By the key that the plan gave it. */
  readonly planned: (key: string) => Promise<Image>;
  /** The image that builds for this target: the operator's table, else the base image. */
  readonly builderOf: (target: string) => Promise<Image>;
  /** Looked up once per image. */
  readonly facts: (image: Image, look: () => Promise<BuilderFacts>) => Promise<BuilderFacts>;
}

export interface PackageWorkspace {
  /** Volume for /workspace. */
  readonly volume: string;
  /** Whose its files are: the image's own user. */
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** A package whose container is ready, as far as that was possible. Nothing of the user's ran yet. */
export interface PreparedPackage {
  /** Runs it to its end; once. May go on beside the tests: what it prints goes to `write`. */
  build(signal: AbortSignal): Promise<PackageOutcome>;
}

export type PackageOutcome =
  | {
      readonly state: "passed";
      readonly files: readonly (RpmFile & { readonly target: string })[];
      /** For the step's page. */
      readonly warnings: readonly string[];
      readonly note: string | null;
      /** What an earlier build had installed already. */
      readonly reused: string | null;
    }
  | { readonly state: "failed"; readonly failure: StepFailure };

/** What an image can do for packages; asked of a container of it that never runs. */
export interface BuilderFacts {
  readonly hasRpmbuild: boolean;
  /** By its os-release: `el9`, `fedora-43`; null: another kind of system. */
  readonly distribution: string | null;
}
