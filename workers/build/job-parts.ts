import type { JobSpec } from "../../src/domain/job-spec.ts";
import type { PackageVersion } from "../../src/domain/package-version.ts";
import type { JobImages } from "./job-images.ts";
import type { JobNetworks } from "./job-networks.ts";
import type { Job } from "./job.ts";
import type { JobKept } from "./keep/job-kept.ts";
import type { ReportBudget } from "./reports/report-budget.ts";
import type { Commit } from "./source/commit.ts";

/** What all steps of one job of the kind `build` share. */
export interface BuildJob {
  readonly job: Job;
  readonly spec: JobSpec;
  readonly commit: Commit;
  readonly networks: JobNetworks;
  readonly images: JobImages;
  readonly kept: JobKept;
  /** What all reports of the job may take together. */
  readonly reports: ReportBudget;
  /** By the step of the package; null: the spec's own. */
  readonly versions: ReadonlyMap<string, Promise<PackageVersion | null>>;
}
