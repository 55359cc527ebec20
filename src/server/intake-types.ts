import type { ForgeName, PullRequest, Push } from "../domain/push.ts";

/** Who saw that a forge's ref had moved, where no delivery told: see `forge-sweep.ts`. */
export type FoundBy = "sweep" | "poll";

/** A verified delivery that says a ref moved. */
export interface Intake {
  readonly forge: ForgeName;
  /** The forge's id of the delivery, unique per forge. */
  readonly deliveryId: string;
  /** sha256 of the signed body, in hex; null where nothing was signed. */
  readonly bodyDigest: string | null;
  readonly event: string;
  readonly push: Push;
  /** Nobody delivered it: a look at the forge's refs found it. */
  readonly foundBy?: FoundBy;
}

/** A verified delivery that says what became of a pull request. */
export interface PullRequestIntake extends Omit<Intake, "push"> {
  readonly pullRequest: PullRequest;
}

export interface ClosedPullRequest
  extends Omit<Intake, "push" | "foundBy">, Pick<PullRequest, "repo" | "number"> {}

/** What became of it. Whatever is returned here is on disk. */
export type IntakeResult =
  | {
      readonly kind: "accepted";
      readonly buildId: string;
      readonly repo: string;
      readonly number: number;
      /** False for a build that will not run as it is: skipped, or over quota. */
      readonly queued: boolean;
    }
  | {
      readonly kind: "duplicate";
      readonly buildId: string | null;
      readonly number: number | null;
      readonly repo: string | null;
      readonly reason: string;
    }
  | { readonly kind: "ignored"; readonly reason: string; readonly buildId: string | null };

/** A verified delivery that asks for nothing, and why. */
export interface IgnoredDelivery {
  readonly forge: ForgeName;
  readonly deliveryId: string;
  readonly bodyDigest: string | null;
  readonly event: string;
  readonly repo: string | null;
  readonly reason: string;
}

export interface IgnoredResult {
  readonly kind: "ignored" | "duplicate";
  readonly reason: string;
}

/** Nobody delivered it: it was found by a look at the forge. */
export type Found = Omit<Intake, "push"> & { readonly foundBy: FoundBy };

/** Where verified deliveries go. All throw if the delivery could not be brought to disk. */
export interface IntakeDoor {
  accept(intake: Intake): Promise<IntakeResult>;
  acceptPullRequest(intake: PullRequestIntake): Promise<IntakeResult>;
  recordIgnored(delivery: IgnoredDelivery): Promise<IgnoredResult>;
}
