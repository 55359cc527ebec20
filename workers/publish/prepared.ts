import type { ListedAdvisory, PublishedPackage } from "../../src/shared/package-messages.ts";
import type { StageRequest } from "./engine/engine.ts";

/** What one publish wants of one channel. */
export type ChannelChange = Pick<StageRequest, "channel" | "head" | "settings" | "edit">;

/** A publish that waits for nothing any more but its turn. */
export interface Prepared {
  readonly changes: readonly ChannelChange[];
  /** What the server has not named itself. */
  readonly packages: readonly PublishedPackage[];
  readonly advisories: readonly ListedAdvisory[];
  readonly warnings: readonly string[];
  /** Resolves once its packages are in the pool; nothing that lists them is sealed before. */
  readonly storing: Promise<unknown>;
}

/** An edit of nothing, for those that fill in a part. */
export const NO_CHANGE = {
  kind: "edit",
  add: new Map(),
  remove: new Map(),
  advisories: [],
  extras: [],
  rewrite: false,
} as const satisfies ChannelChange["edit"];
