import type { Changed } from "./builds.ts";
import { insertPublish } from "./new-publishes.ts";
import type { AskedChange } from "./publish-requests.ts";
import type { Tx } from "./store.ts";

/**
 * What `src/server/changes` asks of the store, in one place. All of it takes a transaction or a
 * reader; nothing here decides whether a change is a good idea.
 */
export { advisoriesFor } from "./advisories.ts";
export { deleteChannel, type DeletedChannel } from "./channel-deletion.ts";
export { findChannel, insertChannel, updateSettings, type Channel } from "./channels.ts";
export { diffGenerations, generationsOf, pinGeneration } from "./generations.ts";
export { listedIn, listingAt, newestListed, type ListedRow } from "./listings.ts";
export { markYanked, pinPackage, unmarkYanked } from "./packages.ts";
export { retentionCandidates } from "./retention.ts";
export { allow, allowances, disallow, ownersOf, transferName } from "./rights.ts";
export { isBeingSwept } from "./running-sweep.ts";
export { sweepPlan } from "./sweep.ts";
export type {
  ChannelEditRequest,
  EditRequest,
  ImportRequest,
  RestoreRequest,
  SweepRequest,
} from "./publish-requests.ts";

export type ChangeWish = AskedChange & {
  /** Names of all channels that it touches; empty for a sweep. */
  readonly channels: readonly string[];
  /** Who asked: `admin`, `retention`, … */
  readonly by: string;
  readonly note: string;
};

/** Queues a change for the publish worker. Announce `askedChange` of it after the commit. */
export async function requestChange(tx: Tx, wish: ChangeWish): Promise<string> {
  const { kind, channels, request, by, note } = wish;
  const requestJson = JSON.stringify(request);
  return await insertPublish(tx, { kind, buildId: null, channels, requestJson, by, note });
}

/** For the announcer: wakes the publish worker and tells open pages. */
export function askedChange(publishId: string, channels: readonly string[]): Changed {
  return { publishId, publish: { id: publishId, channels } };
}
