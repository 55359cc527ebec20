import type { ChannelSettings } from "../../../src/shared/channel-settings.ts";
import type { ListedAdvisory, PassedThrough } from "../../../src/shared/package-messages.ts";
import type { ListedPackage } from "../../../src/yum/target-state.ts";

export interface NewPackage extends ListedPackage {
  /** Where its final bytes are now; it may be pooled later. */
  readonly path: string;
}

export interface StageRequest {
  readonly channel: string;
  /** The generation to build on; 0 for a channel without one. */
  readonly head: number;
  readonly settings: ChannelSettings;
  /** Ids of the publishes. */
  readonly builtFor: readonly string[];
  readonly edit: EditRequest | RestoreRequest;
  /** Does not exist yet; becomes the generation. */
  readonly stagingDir: string;
  /** Resolves once the packages to add are in the pool; no generation is there before. */
  readonly storing: Promise<unknown>;
}

export interface EditRequest {
  readonly kind: "edit";
  /** By target; a package may be in several. */
  readonly add: ReadonlyMap<string, readonly NewPackage[]>;
  /** NEVRAs by target. One that is not listed is ignored. */
  readonly remove: ReadonlyMap<string, readonly string[]>;
  /** About packages of `add`. */
  readonly advisories: readonly ListedAdvisory[];
  readonly extras: readonly PassedThrough[];
  /** Make all metadata of the channel anew from the pool. */
  readonly rewrite: boolean;
}

/** The lists of another generation under a new number. */
export interface RestoreRequest {
  readonly kind: "restore";
  readonly from: { readonly channel: string; readonly number: number };
}

export interface StagedGeneration {
  readonly channel: string;
  /** The generation that it was built on. */
  readonly base: number;
  readonly number: number;
  /** Served name (with layers) → the newest generation that changed it. */
  readonly targets: Readonly<Record<string, number>>;
  /** Target (without layers) → how many packages it lists. */
  readonly counts: Readonly<Record<string, number>>;
}
