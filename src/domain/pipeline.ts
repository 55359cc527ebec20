/**
 * What `.tatara.yml` says, in its long form: short forms written out, defaults filled in, what the
 * top level says merged into the steps. Templates (`${matrix.node}`) and matrices are still there;
 * `planJobs` resolves them. Durations are milliseconds, sizes bytes, paths relative to the root of the
 * repo without a leading `./` (of a project: already with its folder in front), "" for the root.
 */
export interface Pipeline {
  readonly when: When;
  readonly onNewerPush: OnNewerPush | null;
  readonly checkout: CheckoutOptions;
  /** Files that concern all projects; patterns from the root. */
  readonly runAllOn: readonly string[];
  /** Without the key `projects` there is one, called "". */
  readonly projects: readonly Project[];
}

/** What happens to a build when a newer push to the same ref arrives; null: the default. */
export type OnNewerPush = "cancel" | "keep";

export interface CheckoutOptions {
  readonly submodules: boolean;
  readonly lfs: boolean;
}

export interface Project {
  readonly name: string;
  readonly path: string;
  /** Files elsewhere that concern it; patterns from the root. */
  readonly also: readonly string[];
  readonly needs: readonly string[];
  readonly only: Only | null;
  readonly image: PipelineImage;
  readonly services: readonly Service[];
  /** In the order of the file; empty when it names no test. */
  readonly tests: readonly TestStep[];
  readonly packages: readonly PackageStep[];
  readonly publish: readonly PublishRule[];
}

/** A Dockerfile of the commit, a named image, or the server's base image. */
export type PipelineImage =
  | {
      readonly kind: "dockerfile";
      readonly path: string;
      /** Folder that is sent to the engine. */
      readonly context: string;
      readonly stage: string | null;
      readonly args: Readonly<Record<string, string>>;
      /** Offered to `RUN --mount=type=secret,id=NAME`. */
      readonly secrets: readonly string[];
      readonly timeoutMs: number;
    }
  | { readonly kind: "named"; readonly name: string; readonly pull: "missing" | "always" }
  | { readonly kind: "base" };

export interface Resources {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly pids: number;
  readonly diskBytes: number;
}

/** What steps and packages share. */
export interface Runs {
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: readonly SecretUse[];
  readonly cache: CacheRule | null;
  readonly only: Only | null;
  readonly network: NetworkClass;
  /** Whole step, from the container's start. */
  readonly timeoutMs: number;
  /** Longest time without output. */
  readonly idleTimeoutMs: number;
  readonly resources: Resources;
}

export interface TestStep extends Runs {
  /** `test`, or the key of the map. */
  readonly name: string;
  /** Shell text, passed on untouched; null: building the image is the test. */
  readonly run: string | null;
  /** Null: the project's. */
  readonly image: PipelineImage | null;
  readonly matrix: Matrix | null;
  /** Names from the project's services. */
  readonly services: readonly string[];
  /** Patterns; null: looked for by their usual names. */
  readonly reports: readonly string[] | null;
  readonly keep: KeepRule | null;
  /** Tests that must pass first. */
  readonly needs: readonly string[];
  readonly dir: WorkDir;
  readonly user: "image" | "ci";
  readonly allowFailure: boolean;
}

export type WorkDir =
  | { readonly kind: "path"; readonly path: string }
  /** The image's own `WORKDIR`. */
  | { readonly kind: "image" };

export type NetworkClass = "internet" | "mirrors" | "none";

export interface Matrix {
  readonly variables: readonly { readonly name: string; readonly values: readonly string[] }[];
  /** Combinations that contain all pairs of one of these are left out. */
  readonly except: readonly Readonly<Record<string, string>>[];
}

export interface SecretUse {
  readonly name: string;
  /** `file`: in /run/secrets with its path in `$NAME_FILE`; `env`: also as `$NAME`. */
  readonly as: "file" | "env";
}

export interface CacheRule {
  /** In `$HOME` (`~/.npm`) or the workspace. */
  readonly paths: readonly string[];
  /** Null: the lock files that are found. */
  readonly keyFiles: readonly string[] | null;
}

export interface KeepRule {
  readonly files: readonly string[];
  readonly expiresMs: number;
  readonly after: "passed" | "failed" | "always";
}

export interface Service {
  readonly name: string;
  readonly image: PipelineImage;
  readonly command: readonly string[] | null;
  readonly env: Readonly<Record<string, string>>;
  readonly ready: string | null;
  readonly readyTimeoutMs: number;
  readonly cpus: number;
  readonly memoryBytes: number;
}

export interface PackageStep extends Runs {
  /** For step and page: the spec file's base name without `.spec`, or the package's name. */
  readonly label: string;
  /** Distributions or whole targets; null: read from the image, else the server's default. */
  readonly for: readonly string[] | null;
  readonly arch: readonly string[];
  readonly version: VersionRule;
  readonly release: ReleaseRule;
  /** Runs before rpmbuild, in the project's image. */
  readonly run: string | null;
  /** Where rpmbuild runs; null: chosen by the target. */
  readonly image: PipelineImage | null;
  /** Extra yum sources: channels of this server, or names from its list. */
  readonly repos: readonly string[];
  /** rpmbuild itself may reach the network: the file says so in so many words. */
  readonly rpmbuildNetwork: boolean;
  readonly lint: "off" | "warn" | "error";
  readonly verify: VerifyRule | null;
  readonly source: SpecSource | FilesSource;
}

export type VersionRule =
  | { readonly kind: "spec" }
  /** `pattern`: `api-v*`, the version is under the star; null: `v1.4.0` and `1.4.0`. */
  | { readonly kind: "from-tag"; readonly pattern: string | null }
  | { readonly kind: "fixed"; readonly version: string };

export type ReleaseRule =
  | { readonly kind: "auto" }
  | { readonly kind: "spec" }
  | { readonly kind: "fixed"; readonly release: string };

export interface VerifyRule {
  /** A command that must exit 0 once the packages are installed; null: installing is enough. */
  readonly run: string | null;
  readonly upgradeFrom: string | null;
  readonly timeoutMs: number;
}

export interface SpecSource {
  readonly kind: "spec";
  readonly path: string;
  readonly define: Readonly<Record<string, string>>;
  readonly with: readonly string[];
  readonly without: readonly string[];
  readonly fetch: boolean;
  readonly sourceRpm: boolean;
  readonly debuginfo: boolean;
}

/** A package whose spec file Tatara writes. */
export interface FilesSource {
  readonly kind: "files";
  readonly name: string;
  readonly summary: string;
  readonly license: string;
  readonly description: string;
  readonly url: string | null;
  readonly vendor: string | null;
  readonly requires: readonly string[];
  readonly recommends: readonly string[];
  readonly provides: readonly string[];
  readonly conflicts: readonly string[];
  readonly obsoletes: readonly string[];
  readonly scripts: Readonly<Partial<Record<PackageScript, string>>>;
  readonly users: readonly PackageUser[];
  readonly files: readonly PackagedFile[];
  readonly sourceRpm: boolean;
  readonly debuginfo: boolean;
}

export const PACKAGE_SCRIPTS = [
  "pre-install",
  "post-install",
  "pre-remove",
  "post-remove",
] as const;
export type PackageScript = (typeof PACKAGE_SCRIPTS)[number];

/** A system user that the package needs, with a group of the same name. */
export interface PackageUser {
  readonly name: string;
  readonly description: string;
  readonly home: string | null;
  readonly groups: readonly string[];
}

export interface PackagedFile {
  /** Absolute path on the installed system; a folder's ends with a slash. */
  readonly path: string;
  readonly content:
    | { readonly kind: "from"; readonly path: string }
    | { readonly kind: "dir" }
    | { readonly kind: "link"; readonly target: string };
  readonly config: "no" | "yes" | "noreplace";
  /** Octal text like `0755`; null: by git's executable bit. */
  readonly mode: string | null;
  readonly owner: string;
  readonly group: string;
  readonly isDoc: boolean;
  readonly isLicense: boolean;
}

export interface PublishRule {
  readonly channel: string;
  /** `publish: dev`: builds of the default branch. */
  readonly isDefaultBranch: boolean;
  readonly branches: readonly string[];
  readonly tags: readonly string[];
  readonly promoteFrom: string | null;
}

/** One map of `only`. Null: the file does not name this kind. */
export interface Only {
  readonly branches: readonly string[] | null;
  readonly tags: readonly string[] | null;
  /** A list: patterns of the base branch. */
  readonly pullRequests: boolean | "same-repo" | readonly string[] | null;
  readonly schedule: boolean | null;
  readonly paths: readonly string[] | null;
}

/** The map `when`; `schedule` in cron's five fields, UTC. */
export interface When extends Omit<Only, "schedule"> {
  readonly schedule: readonly string[];
}

/** The file's name. It lies in the root of the repo. */
export const PIPELINE_FILE = ".tatara.yml";

/** The files of the commit that is built, paths from the root of the repo. */
export interface CommitTree {
  /** Is there a file (not a folder) at this path? */
  has(path: string): boolean;
  files(): readonly string[];
  /** Seven digits, as messages show them. */
  readonly shortSha: string;
  /**
   * The text of a file that `filesToRead` names. Undefined, or absent: not known, and what depends on
   * it is not checked.
   */
  read?(path: string): string | undefined;
  /** Tags of this commit, without `refs/tags/`; absent: not known. */
  readonly tags?: readonly string[];
}

/** What the third layer of checks knows of the server; the CLI may have no server to ask. */
export interface ServerNames {
  /** `acme/hello`, for messages. */
  readonly repo?: string;
  readonly channels: readonly { readonly name: string; readonly mayPublish: boolean }[];
  /** `el9.x86_64`; the default first. */
  readonly targets: readonly string[];
  /** Names of the yum sources that `repos` may name, beside channels. */
  readonly yumSources: readonly string[];
  /** The repo's secrets; `pullRequests`: pull requests of the same repo may read it. */
  readonly secrets: readonly { readonly name: string; readonly pullRequests: boolean }[];
}

/** Facts of the commit's build that messages and rules need. */
export interface GitFacts {
  readonly sha: string;
  /** `refs/heads/main`, `refs/tags/v1`, `refs/pull/12/head`. */
  readonly ref: string;
  readonly defaultBranch: string | null;
  readonly event: BuildEvent;
  readonly pullRequest: PullRequestFacts | null;
}

export const BUILD_EVENTS = ["push", "pull-request", "schedule", "manual", "try", "rerun"] as const;
export type BuildEvent = (typeof BUILD_EVENTS)[number];

export interface PullRequestFacts {
  readonly number: number;
  readonly baseBranch: string;
  readonly headBranch: string;
  readonly isFork: boolean;
}

/** Step names that a test cannot have, since every job has steps of these names. */
export const RESERVED_STEP_NAMES = ["checkout", "image", "package", "verify", "publish"] as const;

/** A log's page lies beside these pages of a build, so no step is called like one. */
export const PAGE_WORDS = ["tests"] as const;

export const DEFAULT_RESOURCES: Resources = {
  cpus: 2,
  memoryBytes: 4 * 1024 ** 3,
  pids: 512,
  diskBytes: 10 * 1024 ** 3,
};
