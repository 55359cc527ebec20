import type { ChangeRequest } from "../../shared/channel-changes.ts";
import { findChannel, retentionCandidates } from "../store/changes.ts";
import { editOf, intendEdit, rowsAt, type Intention, type Read } from "./intention.ts";
import { noSuchChannel, type Refused } from "./refused.ts";

export type RetainRequest = Extract<ChangeRequest, { kind: "retain" }>;

/** Takes out of a channel what its settings no longer keep. */
export async function intendRetention(
  read: Read,
  { channel }: RetainRequest,
): Promise<Intention | Refused> {
  const found = await findChannel(read, channel);
  if (found === undefined) return noSuchChannel(channel);
  // Told apart by the database: a large channel has more versions than we should hold in memory.
  const retired = await retentionCandidates(read, channel, found.settings, read.now());
  const remove = await rowsAt(read, { channel }, retired);
  const edit = await intendEdit(read, { channel, add: [], remove });
  const asked = await editOf(read, edit);
  const { keepVersions, maxAgeDays } = found.settings.retention;
  const isKeeping = keepVersions === null && maxAgeDays === null;
  return {
    kind: "retain",
    title: isKeeping
      ? `${channel} keeps everything`
      : `${channel}: ${edit.remove.length} listed packages go`,
    edits: [edit],
    channels: [channel],
    // Nobody should miss these, so hosts that still have them are no news.
    warnings: [],
    confirm: null,
    ask: asked === undefined ? null : { kind: "edit", request: { edits: [asked], yank: null } },
    atOnce: null,
  };
}
