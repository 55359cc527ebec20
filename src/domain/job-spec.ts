import type {
  CheckoutOptions,
  KeepRule,
  PackageStep,
  PipelineImage,
  Runs,
  Service,
  TestStep,
  VerifyRule,
} from "./pipeline.ts";
import type { PlannedStep } from "./step.ts";

/**
 * All that a worker must know of one job: matrices expanded, templates resolved, rules (`only`)
 * judged. `planJobs` makes them, on the server, from a pipeline and the facts of a build.
 */
export interface JobSpec {
  /** `el9.x86_64`, `api el9.x86_64`, `el9.x86_64 verify`. */
  readonly name: string;
  /** "" without projects. */
  readonly project: string;
  /** Folder of the project, "" for the root. */
  readonly projectPath: string;
  readonly kind: JobKind;
  readonly target: string;
  readonly checkout: CheckoutOptions;
  /** In the order in which pages show them. Those with a `skip` never run. */
  readonly steps: readonly PlannedStep[];
  /**
   * The project's has the step `image` and is the first, if the job needs it. A service's Dockerfile is
   * among them too, equal to the service's own `image`.
   */
  readonly images: readonly PlannedImage[];
  readonly services: readonly Service[];
  readonly tests: readonly PlannedTest[];
  readonly packages: readonly PlannedPackage[];
  readonly verify: readonly PlannedVerify[];
  /** Ask for nothing that earlier builds left: no layers, no caches. */
  readonly fresh: boolean;
  /** What a person gave to a manual build, as environment. */
  readonly params: Readonly<Record<string, string>>;
}

export type JobKind = "build" | "verify";

export interface PlannedImage {
  /** `image`, `image-unit`: its step, if it is one that is built; else null, and it is looked up. */
  readonly step: string | null;
  /** What tests and packages call it by. */
  readonly key: string;
  readonly image: PipelineImage;
}

/** One step that runs a test: of a matrix, one combination. */
export interface PlannedTest extends Omit<TestStep, "image" | "matrix" | "only" | "name"> {
  /** Id of the step, `unit-22`. */
  readonly step: string;
  /** Name in the file, `unit`. */
  readonly name: string;
  /** `key` of a planned image. */
  readonly image: string;
  /** `NODE` → `22`, in the step's environment. */
  readonly matrix: Readonly<Record<string, string>>;
  /** Ids of the steps that must pass first. */
  readonly needs: readonly string[];
}

export interface PlannedPackage extends Omit<PackageStep, "image" | "only" | "for" | "arch"> {
  /** `package`, or `package-hello` where there are several. */
  readonly step: string;
  /** `key` of a planned image; null: chosen by the target. */
  readonly image: string | null;
  /** The target was named by the file, not read from the image. */
  readonly isTargetFixed: boolean;
  /** Listed for all architectures of its distribution. */
  readonly isNoarch: boolean;
}

export interface PlannedVerify extends VerifyRule {
  readonly step: string;
  /** Label of the package that it is about. */
  readonly label: string;
  readonly repos: readonly string[];
}

/** Everything that a step's container needs and shares with others of its kind. */
export type StepRuns = Omit<Runs, "only">;

export type { KeepRule };

/** A job as the planner makes it; positions count from 0 and are the order on the page. */
export interface PlannedJob {
  readonly spec: JobSpec;
  /** Positions of the jobs that must have passed before. */
  readonly needs: readonly number[];
  /** Why it does not run; null: it does. */
  readonly skip: string | null;
  /** `x86_64`; null: any worker. */
  readonly arch: string | null;
}
