import { setImmediate } from "node:timers/promises";
import { evrKey } from "../../domain/evr-key.ts";
import { tellProjects } from "../../domain/life/settle.ts";
import { formatNevra } from "../../domain/nevra.ts";
import type { PublishedPackage } from "../../shared/package-messages.ts";
import type { SwitchRequest } from "../../shared/publish-messages.ts";
import { insertAdvisories } from "./advisories.ts";
import { findBuild, type Changed } from "./builds.ts";
import type { Channel } from "./channels.ts";
import { keepTaken, setAside } from "./free-nevras.ts";
import { insertRow } from "./insert-row.ts";
import { jobsOf } from "./life-records.ts";
import {
  listPackages,
  restoreListing,
  unlistPackages,
  type ListingPlace,
} from "./listing-edits.ts";
import { markYanked } from "./packages.ts";
import { channelsOf, endPublish } from "./publish-ends.ts";
import { requestOf, type ChannelEditRequest } from "./publish-requests.ts";
import type { PackageRow, PublishRow } from "./schema.ts";
import { takeNames } from "./rights.ts";
import { buildRequestOf } from "./verify-release.ts";
import type { Tx } from "./store.ts";

export type SwitchPublish = SwitchRequest["publishes"][number];
type Generation = SwitchRequest["generations"][number];

/** A publish of the batch and what the record says of it. */
export interface SwitchMember {
  readonly wish: SwitchPublish;
  readonly publish: PublishRow;
}

/** Everything has been checked: the switch happens. */
export async function applySwitch(
  tx: Tx,
  request: SwitchRequest,
  members: readonly SwitchMember[],
  channels: ReadonlyMap<string, Channel>,
): Promise<readonly Changed[]> {
  for (const member of members) await insertPackages(tx, member);
  for (const generation of request.generations) {
    await insertGeneration(tx, generation, members);
    const channel = channels.get(generation.channel);
    if (channel === undefined) throw new Error(`Channel ${generation.channel} was not checked.`);
    const place = { channel, number: generation.number };
    for (const member of membersOf(generation, members)) await changeListing(tx, place, member);
  }
  tx.channelsChanged();
  const changes: Changed[] = [];
  for (const member of members) changes.push(await goLive(tx, request, member));
  return changes;
}

function membersOf(
  { channel }: Generation,
  members: readonly SwitchMember[],
): readonly SwitchMember[] {
  return members.filter(({ publish }) => channelsOf(publish).includes(channel));
}

const PACKAGES_PER_TURN = 1_000;

async function insertPackages(tx: Tx, { wish, publish }: SwitchMember): Promise<void> {
  const build = publish.buildId === null ? undefined : await findBuild(tx, publish.buildId);
  const origin = { repo: build?.repo ?? "", buildId: build?.id ?? null };
  for (const [index, made] of wish.packages.entries()) {
    await insertPackage(tx, made, origin);
    // An import has many, and dnf is waiting for other files.
    if (index % PACKAGES_PER_TURN === PACKAGES_PER_TURN - 1) await setImmediate();
  }
  // An import is not a repo: who publishes a name after it owns it. What is not verified owns nothing.
  const names = wish.packages.map(({ nevra }) => nevra.name);
  const isOwned = build !== undefined && publish.purpose === "final";
  if (isOwned) await takeNames(tx, names, build.repo);
  await insertAdvisories(tx, wish.advisories, origin);
}

async function insertPackage(
  tx: Tx,
  { nevra, targets: _targets, ...facts }: PublishedPackage,
  origin: { readonly repo: string; readonly buildId: string | null },
): Promise<void> {
  const row = {
    ...facts,
    ...nevra,
    ...origin,
    nevra: formatNevra(nevra),
    evrKey: evrKey(nevra),
    publishedAt: tx.now(),
    yankedAt: null,
    yankReason: null,
    refusedAt: null,
    delistedAt: null,
    isPinned: 0,
    sweptAt: null,
    freedAt: null,
  };
  await makePlace(tx, row);
  // The same content published before keeps its first provenance.
  if (await insertRow(tx, "packages", row, "or nothing")) return;
  const { signedSha256, sizeBytes, fileName } = facts;
  await tx.db
    .updateTable("packages")
    .set({ signedSha256, sizeBytes, fileName, publishedAt: tx.now(), sweptAt: null })
    .where("nevra", "=", row.nevra)
    // Its bytes were deleted, and it was signed anew.
    .where("sweptAt", "is not", null)
    .execute();
}

/** What was freed is this very content again, or goes out of its way. */
async function makePlace(
  tx: Tx,
  { nevra, unsignedSha256, repo, buildId }: PackageRow,
): Promise<void> {
  const freed = await tx.db
    .selectFrom("packages")
    .select(["unsignedSha256", "buildId"])
    .where("nevra", "=", nevra)
    .where("freedAt", "is not", null)
    .executeTakeFirst();
  if (freed === undefined) return;
  if (freed.unsignedSha256 !== unsignedSha256) return await setAside(tx, nevra, freed.buildId);
  await tx.db
    .updateTable("packages")
    .set({ freedAt: null, repo, buildId })
    .where("nevra", "=", nevra)
    .execute();
}

async function insertGeneration(
  tx: Tx,
  generation: Generation,
  members: readonly SwitchMember[],
): Promise<void> {
  const { channel, base, number, targets, counts } = generation;
  const now = tx.now();
  await insertRow(tx, "generations", {
    channel,
    number,
    base,
    createdAt: now,
    targetsJson: JSON.stringify(targets),
    countsJson: JSON.stringify(counts),
    isPinned: 0,
    pinNote: null,
    sweptAt: null,
  });
  await tx.db
    .updateTable("channels")
    .set({ head: number, updatedAt: now })
    .where("name", "=", channel)
    .execute();
  for (const { publish } of membersOf(generation, members)) {
    await insertRow(tx, "generationPublishes", { channel, number, publishId: publish.id });
  }
}

/** What the publish lists and unlists in one channel. */
async function changeListing(
  tx: Tx,
  place: ListingPlace,
  { wish, publish }: SwitchMember,
): Promise<void> {
  if (publish.kind === "restore") {
    await restoreListing(tx, place, requestOf(publish, "restore").from);
    await unmarkListed(tx, place);
  } else if (publish.kind === "edit") {
    const { edits } = requestOf(publish, "edit");
    const edit = edits.find(({ channel }) => channel === place.channel.name);
    if (edit !== undefined) await applyEdit(tx, place, edit);
    await keepTaken(tx, place.channel.name, place.number);
  } else {
    const request = buildRequestOf(publish);
    const isHere = ({ unsignedSha256 }: PublishedPackage): boolean =>
      request?.channelsOf[unsignedSha256]?.includes(place.channel.name) ?? request === undefined;
    const listings = wish.packages
      .filter(isHere)
      .flatMap(({ nevra, targets }) =>
        targets.map((target) => ({ target, nevra: formatNevra(nevra) })),
      );
    for (const [target, nevras] of byTarget(listings))
      await listPackages(tx, place, target, nevras);
  }
}

async function applyEdit(tx: Tx, place: ListingPlace, edit: ChannelEditRequest): Promise<void> {
  for (const [target, nevras] of byTarget(edit.remove)) {
    await unlistPackages(tx, place, target, nevras);
  }
  for (const [target, nevras] of byTarget(edit.add)) await listPackages(tx, place, target, nevras);
  for (const { target, type, text } of edit.extras) {
    const { name: channel } = place.channel;
    const extras = tx.db.deleteFrom("extras").where("channel", "=", channel);
    await extras.where("target", "=", target).where("type", "=", type).execute();
    if (text === null) continue;
    await insertRow(tx, "extras", { channel, target, type, text, updatedAt: tx.now() });
  }
}

/** What an undo brings back is neither hidden nor refused any more. */
async function unmarkListed(tx: Tx, { channel, number }: ListingPlace): Promise<void> {
  await tx.db
    .updateTable("packages")
    .set({ yankedAt: null, yankReason: null, refusedAt: null })
    .where("yankedAt", "is not", null)
    .where("nevra", "in", (where) =>
      where
        .selectFrom("listings")
        .select("listings.nevra")
        .where("channel", "=", channel.name)
        .where("sinceGeneration", "=", number),
    )
    .execute();
}

function byTarget(
  entries: readonly { readonly target: string; readonly nevra: string }[],
): ReadonlyMap<string, readonly string[]> {
  const groups = Map.groupBy(entries, ({ target }) => target);
  return new Map([...groups].map(([target, some]) => [target, some.map(({ nevra }) => nevra)]));
}

async function goLive(
  tx: Tx,
  request: SwitchRequest,
  { wish, publish }: SwitchMember,
): Promise<Changed> {
  await markEdit(tx, publish);
  const channels = channelsOf(publish);
  const generations = request.generations
    .filter(({ channel }) => channels.includes(channel))
    .map(({ channel, number }) => ({ channel, number }));
  const set = {
    durationMs: Math.round(wish.durationMs),
    keyFingerprint: request.keyFingerprint,
    generationsJson: JSON.stringify(generations),
    warningsJson: JSON.stringify(wish.warnings),
  };
  const told = publish.buildId === null ? null : tellProjects(await jobsOf(tx, publish.buildId));
  const text = `passed; ${told === null ? "" : `${told}; `}published to ${channels.join(", ")}`;
  return await endPublish(tx, publish, { state: "live", reason: null, text, set });
}

async function markEdit(tx: Tx, publish: PublishRow): Promise<void> {
  if (publish.kind !== "edit") return;
  const { yank, edits } = requestOf(publish, "edit");
  if (yank === null) return;
  const removed = edits.flatMap(({ remove }) => remove.map(({ nevra }) => nevra));
  await markYanked(tx, removed, yank);
}
