import { namesMeantBy, versionsMeantBy } from "../../domain/channel-changes.ts";
import type { ChangeRequest } from "../../shared/channel-changes.ts";
import { packagesNamed } from "../store/change-reads.ts";
import { channelNames } from "../store/channels.ts";
import { findChannel, listedIn, type ListedRow } from "../store/changes.ts";
import {
  confirmFor,
  editOf,
  intendEdit,
  nevrasSaid,
  type ChannelIntention,
  type Intention,
  type Read,
} from "./intention.ts";
import { noSuchChannel, refused, type Refused } from "./refused.ts";

export type YankRequest = Extract<ChangeRequest, { kind: "yank" }>;

/**
 * Takes packages out of every channel, for good: they never come back by a promotion. Named with a
 * channel they leave only that one and its children, and may be promoted again.
 */
export async function intendYank(read: Read, request: YankRequest): Promise<Intention | Refused> {
  const { channel, refuseDownloads, packages } = request;
  if (channel !== null && (await findChannel(read, channel)) === undefined) {
    return noSuchChannel(channel);
  }
  if (channel !== null && refuseDownloads) {
    const hint = "Leave `channel` out: bytes are refused for all channels or for none.";
    return refused(400, `Downloads cannot be refused for ${channel} alone.`, hint);
  }
  const names = [...new Set(packages.flatMap(namesMeantBy))];
  const places = await listedByChannel(read, await channelsOf(read, channel), names);
  const known = channel === null ? await packagesNamed(read, names) : [];
  const meant = new Set<string>();
  for (const wish of packages) {
    const nevras = meantBy(wish, [...places.values()].flat(), known);
    if (nevras.length === 0) {
      const where = channel === null ? "No channel lists" : `${channel} does not list`;
      return refused(404, `${where} ${wish}.`, "GET /api/packages?query= finds packages.");
    }
    for (const nevra of nevras) meant.add(nevra);
  }
  return await intend(read, request, places, meant);
}

/** All, or the one and those that were forked off it. */
async function channelsOf(read: Read, channel: string | null): Promise<readonly string[]> {
  const names = await channelNames(read);
  if (channel === null) return names;
  const family: string[] = [];
  for (const name of names) {
    if (name === channel || (await findChannel(read, name))?.parent === channel) family.push(name);
  }
  return family;
}

type Places = ReadonlyMap<string, readonly ListedRow[]>;

async function listedByChannel(
  read: Read,
  channels: readonly string[],
  names: readonly string[],
): Promise<Places> {
  const places = new Map<string, readonly ListedRow[]>();
  for (const channel of channels) {
    const rows = await listedIn(read, { channel, names });
    if (rows.length > 0) places.set(channel, rows);
  }
  return places;
}

/** What is listed comes first; a NEVRA may also be one that no channel lists any more. */
function meantBy(
  wish: string,
  listed: readonly ListedRow[],
  known: readonly { readonly nevra: string }[],
): readonly string[] {
  const versions = versionsMeantBy(wish, listed);
  if (versions.length > 0) return versions.map(({ nevra }) => nevra);
  return known.some(({ nevra }) => nevra === wish) ? [wish] : [];
}

async function intend(
  read: Read,
  request: YankRequest,
  places: Places,
  meant: ReadonlySet<string>,
): Promise<Intention> {
  const { channel, refuseDownloads, note } = request;
  const edits: ChannelIntention[] = [];
  for (const [name, rows] of places) {
    const remove = rows.filter(({ nevra }) => meant.has(nevra));
    const edit = await intendEdit(read, { channel: name, add: [], remove });
    if (edit.removeRows.length > 0) edits.push(edit);
  }
  const asked = [];
  for (const edit of edits) asked.push(await editOf(read, edit));
  const some = asked.filter((edit) => edit !== undefined);
  const channels = edits.map((edit) => edit.channel);
  const isForAll = channel === null;
  const yank = isForAll ? { reason: note, refuse: refuseDownloads } : null;
  return {
    kind: "yank",
    title: `${nevrasSaid(meant)}: gone from ${channels.join(", ") || "no channel, since none lists it"}`,
    edits,
    channels,
    warnings: [...new Set(edits.flatMap((edit) => edit.warnings))],
    confirm: confirmFor(
      channels,
      edits.flatMap((edit) => edit.removeRows),
    ),
    ask: some.length === 0 ? null : { kind: "edit", request: { edits: some, yank } },
    atOnce: isForAll ? { nevras: [...meant], reason: note, refuse: refuseDownloads } : null,
  };
}
