import { findChannel } from "../store/changes.ts";
import type { Intention, Read } from "./intention.ts";
import { noSuchChannel, type Refused } from "./refused.ts";

/** All metadata of a channel anew: its settings or the keys have changed. */
export async function intendRewrite(
  read: Read,
  { channel }: { readonly channel: string },
): Promise<Intention | Refused> {
  const found = await findChannel(read, channel);
  if (found === undefined) return noSuchChannel(channel);
  const edit = { channel, add: [], remove: [], advisories: [], extras: [], rewrite: true };
  const isEmpty = found.head === 0;
  return {
    kind: "rewrite",
    title: isEmpty ? `${channel} is empty` : `${channel}: all metadata is made anew`,
    edits: [],
    channels: [channel],
    warnings: isEmpty ? [] : [`Every client of ${channel} downloads its metadata again.`],
    confirm: null,
    ask: isEmpty ? null : { kind: "edit", request: { edits: [edit], yank: null } },
    atOnce: null,
  };
}
