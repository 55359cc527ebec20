import { CHANNELS, isBuildChannel, mainTargetOf } from "../../domain/channel.ts";
import { namesMeantBy, newestEach, versionsMeantBy } from "../../domain/channel-changes.ts";
import type { ChangeRequest } from "../../shared/channel-changes.ts";
import { channelNames } from "../store/channels.ts";
import { findChannel, listedIn, type ListedRow } from "../store/changes.ts";
import { nevrasOfBuilds } from "../store/change-reads.ts";
import {
  confirmFor,
  editOf,
  intendEdit,
  isSibling,
  keyOf,
  packagesSaid,
  type Intention,
  type Read,
} from "./intention.ts";
import { isRefused, noSuchChannel, refused, type Refused } from "./refused.ts";

export type PromoteRequest = Extract<ChangeRequest, { kind: "promote" }>;

/** A build that a promotion names, as it was published. */
export interface PublishedBuild {
  readonly id: string;
  readonly name: string;
  readonly nevras: readonly string[];
}

/** Lists in one channel what another lists already: the same signed bytes. */
export async function intendPromotion(
  read: Read,
  request: PromoteRequest,
  build: PublishedBuild | undefined,
): Promise<Intention | Refused> {
  const { from, to } = request;
  for (const name of from === null ? [to] : [to, from]) {
    if ((await findChannel(read, name)) === undefined) return noSuchChannel(name);
  }
  if (from === to) {
    return refused(400, `${to} cannot be promoted to itself.`, "Name another channel as `to`.");
  }
  const chosen = await choose(read, request, build);
  if (isRefused(chosen)) return chosen;
  const yanked = chosen.rows.find(({ yankedAt }) => yankedAt !== null);
  if (yanked !== undefined) {
    const hint = "A yanked package never comes back: publish a new version.";
    return refused(409, `${yanked.nevra} is yanked.`, hint);
  }
  const add = [...chosen.rows, ...(await siblingsOf(read, chosen))];
  const edit = await intendEdit(read, { channel: to, from: chosen.from, add, remove: [] });
  const asked = await editOf(read, edit);
  return {
    kind: "promote",
    title:
      asked === undefined
        ? `${to} lists ${packagesSaid(chosen.rows)} already`
        : `${packagesSaid(chosen.rows)}: ${chosen.from} → ${to}`,
    edits: [edit],
    channels: [to],
    warnings: edit.warnings,
    confirm: asked === undefined ? null : confirmFor([to], edit.addRows),
    ask: asked === undefined ? null : { kind: "edit", request: { edits: [asked], yank: null } },
    atOnce: null,
  };
}

interface Chosen {
  readonly from: string;
  readonly rows: readonly ListedRow[];
}

/** What the request means, and in which channel it was found. */
async function choose(
  read: Read,
  request: PromoteRequest,
  build: PublishedBuild | undefined,
): Promise<Chosen | Refused> {
  const { packages, from, to, all } = request;
  const ways = [packages.length > 0, request.build !== null, all].filter(Boolean).length;
  if (ways !== 1) {
    return refused(400, "Say what to promote.", "Give `packages`, or `build`, or `all`.");
  }
  if (all) {
    if (from === null) {
      return refused(400, "All of which channel?", "Give `from`, such as testing.");
    }
    return { from, rows: newestEach(await listedIn(read, { channel: from })) };
  }
  const find = (channel: string) =>
    build === undefined ? findWishes(read, channel, packages) : findBuild(read, channel, build);
  if (from !== null) {
    const found = await find(from);
    return found.missing === undefined ? { from, rows: found.rows } : notIn(from, found);
  }
  return await chooseChannel(read, to, find);
}

interface Found {
  readonly rows: readonly ListedRow[];
  /** The first wish that the channel does not have. */
  readonly missing: string | undefined;
  /** What it has under the names that this wish may mean. */
  readonly instead: readonly string[];
}

async function findWishes(read: Read, channel: string, wishes: readonly string[]): Promise<Found> {
  const names = [...new Set(wishes.flatMap(namesMeantBy))];
  const candidates = await listedIn(read, { channel, names });
  const byName = Map.groupBy(candidates, ({ name }) => name);
  const rows = new Map<string, ListedRow>();
  for (const wish of wishes) {
    const meant = namesMeantBy(wish).flatMap((name) => byName.get(name) ?? []);
    const versions = versionsMeantBy(wish, meant);
    if (versions.length === 0) {
      return { rows: [], missing: wish, instead: newestEach(meant).map(({ nevra }) => nevra) };
    }
    for (const row of versions) rows.set(keyOf(row), row);
  }
  return { rows: [...rows.values()], missing: undefined, instead: [] };
}

async function findBuild(read: Read, channel: string, build: PublishedBuild): Promise<Found> {
  const rows = await listedIn(read, { channel, nevras: build.nevras });
  return { rows, missing: rows.length === 0 ? build.name : undefined, instead: [] };
}

function notIn(channel: string, { missing, instead }: Found): Refused {
  const known = instead.slice(0, 5).join(", ");
  return refused(
    404,
    `${channel} does not list ${missing ?? ""}.`,
    known === "" ? `GET /api/packages?query= finds packages.` : `It lists ${known}.`,
  );
}

/**
 * The one channel that all wishes are in. Several do as one if they mean the same packages there,
 * as `dev` and `testing` do after a promotion. Channels that were forked off come last: they list
 * what their parents do.
 */
async function chooseChannel(
  read: Read,
  to: string,
  find: (channel: string) => Promise<Found>,
): Promise<Chosen | Refused> {
  // What a build has in its own channel is not released yet, or was not to be.
  const isMeant = (name: string): boolean => name !== to && !isBuildChannel(name);
  const others = (await channelNames(read)).filter(isMeant);
  const roots: string[] = [];
  const children: string[] = [];
  for (const name of others) {
    const channel = await findChannel(read, name);
    (channel?.parent == null ? roots : children).push(name);
  }
  let nearest: Refused | undefined;
  for (const group of [roots, children]) {
    const found: Chosen[] = [];
    for (const from of group) {
      const here = await find(from);
      if (here.missing === undefined) found.push({ from, rows: here.rows });
      else if (here.instead.length > 0) nearest ??= notIn(from, here);
    }
    const meanings = Map.groupBy(found, ({ rows }) => rows.map(keyOf).toSorted().join("\n"));
    if (meanings.size > 1) return ambiguous(found);
    // The furthest of the first channels: testing rather than dev.
    const [best] = found.toSorted((a, b) => rankOf(b.from) - rankOf(a.from));
    if (best !== undefined) return best;
  }
  const already = await find(to);
  if (already.missing === undefined) return { from: to, rows: already.rows };
  return (
    nearest ??
    refused(404, `No channel lists ${already.missing}.`, "GET /api/packages?query= finds packages.")
  );
}

function rankOf(channel: string): number {
  return (CHANNELS as readonly string[]).indexOf(channel);
}

function ambiguous(found: readonly Chosen[]): Refused {
  const places = found.map(({ from, rows }) => `${from} (${packagesSaid(rows)})`);
  return refused(
    409,
    `That means something else in each of ${places.join(" and ")}.`,
    "Say which with `from`, or name the version.",
  );
}

/** Source and debug packages of the same builds, from the targets beside those chosen. */
async function siblingsOf(read: Read, { from, rows }: Chosen): Promise<readonly ListedRow[]> {
  const nevras = await nevrasOfBuilds(read, new Set(rows.flatMap(({ buildId }) => buildId ?? [])));
  const targets = new Set(rows.map(({ target }) => mainTargetOf(target)));
  const chosen = new Set(rows.map(keyOf));
  const together = await listedIn(read, { channel: from, nevras });
  return together.filter(
    (row) =>
      isSibling(row.target) && targets.has(mainTargetOf(row.target)) && !chosen.has(keyOf(row)),
  );
}
