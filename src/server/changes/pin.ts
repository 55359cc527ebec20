import type { PinRequest } from "../../shared/channel-requests.ts";
import { findChannel, isBeingSwept, pinGeneration, pinPackage } from "../store/changes.ts";
import type { Tx } from "../store/store.ts";
import { noSuchChannel, refused, type Refused } from "./refused.ts";

/** Keeps a generation or a package whatever retention and sweep say, or lets it go again. */
export async function pin(
  tx: Tx,
  channel: string,
  request: PinRequest,
): Promise<{ readonly isPinned: boolean } | Refused> {
  const { isPinned, nevra, generation } = request;
  if ((await findChannel(tx, channel)) === undefined) return noSuchChannel(channel);
  const number = generation ?? 0;
  if (isPinned && (await isBeingSwept(tx, nevra === undefined ? { channel, number } : { nevra }))) {
    const hint = "Nothing had used it for longer than the grace period.";
    return refused(409, `${nevra ?? `${channel}@${number}`} is being deleted right now.`, hint);
  }
  if (nevra !== undefined) {
    if (await pinPackage(tx, nevra, isPinned)) return { isPinned };
    const hint = "GET /api/packages/<name> lists a name's NEVRAs.";
    return refused(404, `There is no package ${nevra}.`, hint);
  }
  const note = request.note === "" ? null : request.note;
  if (await pinGeneration(tx, { channel, number }, { isPinned, note })) return { isPinned };
  const hint = `GET /api/channels/${channel}/generations lists those that are kept.`;
  return refused(404, `${channel} has no generation ${number}.`, hint);
}
