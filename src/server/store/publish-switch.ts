import { formatNevra } from "../../domain/nevra.ts";
import type { Refusal } from "../../shared/message-parts.ts";
import type { SwitchAnswer, SwitchRequest } from "../../shared/publish-messages.ts";
import { goneChannel } from "./channel-deletion.ts";
import { findChannels, type Channel } from "./channels.ts";
import type { Changed } from "./builds.ts";
import { knownPackages, refuseYanked, standing } from "./publish-checks.ts";
import { cancelPublish, channelsOf, endPublish, isCancelRequested } from "./publish-ends.ts";
import { publishWithToken } from "./publishes.ts";
import { applySwitch, type SwitchMember, type SwitchPublish } from "./publish-going-live.ts";
import { yankedReasons } from "./packages.ts";
import { requestOf } from "./publish-requests.ts";
import { returningYanked } from "./returning-yanked.ts";
import type { PublishRow } from "./schema.ts";
import type { Tx } from "./store.ts";

type Refused = Extract<SwitchAnswer, { kind: "refused" }>["publishes"][number];

export interface Switched {
  readonly answer: SwitchAnswer;
  /** To be announced, whatever the answer: a cancelled publish has ended. */
  readonly changes: readonly Changed[];
}

/**
 * The one moment that matters: all pointers move, all builds pass and their statuses are queued in a
 * single transaction, or nothing happens at all. Sent again after a lost answer it is `live` again.
 */
export async function switchPublishes(tx: Tx, request: SwitchRequest): Promise<Switched> {
  const admitted = await admit(tx, request.publishes);
  const { members, changes } = admitted;
  if (admitted.isLive) return { answer: { kind: "live" }, changes };
  const channels = await findChannels(tx, namesOf(request, members));
  const refused = [
    ...admitted.refused,
    ...(await refuseGone(tx, members, channels, changes)),
    ...(await refuseTaken(tx, members)),
    ...(await refuseReturns(tx, members)),
  ];
  if (refused.length > 0) return { answer: { kind: "refused", publishes: refused }, changes };
  if (isMoved(request, channels)) {
    const heads = request.generations.map(({ channel }) => ({
      name: channel,
      head: channels.get(channel)?.head ?? 0,
    }));
    return { answer: { kind: "moved", channels: heads }, changes };
  }
  changes.push(...(await applySwitch(tx, request, members, channels)));
  return { answer: { kind: "live" }, changes };
}

interface Admitted {
  readonly members: readonly SwitchMember[];
  readonly refused: readonly Refused[];
  readonly changes: Changed[];
  /** All of them are live already: the answer to the first sending was lost. */
  readonly isLive: boolean;
}

/** Who may take part: whose lease holds, and whom nobody has cancelled. */
async function admit(tx: Tx, wishes: readonly SwitchPublish[]): Promise<Admitted> {
  const members: SwitchMember[] = [];
  const refused: Refused[] = [];
  const changes: Changed[] = [];
  let liveCount = 0;
  for (const wish of wishes) {
    const { publishId } = wish;
    const publish = await publishWithToken(tx, publishId, wish.leaseToken);
    if (publish?.state === "live") liveCount += 1;
    if (publish?.state !== "running") {
      const why = publish?.state === "cancelled" ? "cancelled" : "stale";
      refused.push({ publishId, why, refusal: null });
    } else if (await isCancelRequested(tx, publish)) {
      changes.push(await cancelPublish(tx, publish));
      refused.push({ publishId, why: "cancelled", refusal: null });
    } else {
      members.push({ wish, publish });
    }
  }
  return { members, refused, changes, isLive: liveCount === wishes.length };
}

function namesOf(request: SwitchRequest, members: readonly SwitchMember[]): readonly string[] {
  return [
    ...request.generations.map(({ channel }) => channel),
    ...members.flatMap(({ publish }) => channelsOf(publish)),
  ];
}

/** Their channel was deleted since they were granted. */
async function refuseGone(
  tx: Tx,
  members: readonly SwitchMember[],
  channels: ReadonlyMap<string, Channel>,
  changes: Changed[],
): Promise<readonly Refused[]> {
  const refused: Refused[] = [];
  for (const { publish } of members) {
    const gone = channelsOf(publish).find((name) => !channels.has(name));
    if (gone === undefined) continue;
    changes.push(await endPublish(tx, publish, goneChannel(gone)));
    refused.push({ publishId: publish.id, why: "cancelled", refusal: null });
  }
  return refused;
}

type Bytes = Pick<SwitchPublish["packages"][number], "unsignedSha256" | "signedSha256">;

/**
 * Looked at again where it counts: two builds may have checked the same NEVRA at the same time, and
 * something may have been yanked since.
 */
async function refuseTaken(tx: Tx, members: readonly SwitchMember[]): Promise<readonly Refused[]> {
  const all = members.flatMap(({ wish }) => wish.packages);
  const known = await knownPackages(tx, all);
  const yanked = await yankedReasons(tx);
  /** By NEVRA, of those before in the batch. */
  const claimed = new Map<string, Bytes>();
  return members.flatMap(({ wish, publish }): Refused[] => {
    const { publishId } = wish;
    const refuse = (refusal: Refusal): Refused[] => [{ publishId, why: "taken", refusal }];
    for (const { nevra, ...bytes } of wish.packages) {
      const name = formatNevra(nevra);
      const before = standing(known.get(name), bytes.unsignedSha256);
      const { unsignedSha256 } = before ?? claimed.get(name) ?? bytes;
      if (unsignedSha256 !== bytes.unsignedSha256) return refuse(takenRefusal(name, before?.by));
      const [refusal] = refuseYanked(before);
      if (refusal !== undefined) return refuse(refusal);
      // What was swept is signed anew.
      const { signedSha256 } =
        (before?.sweptAt === null ? before : undefined) ?? claimed.get(name) ?? bytes;
      // Signed twice at the same time: its next attempt finds the bytes that were first.
      if (signedSha256 !== bytes.signedSha256) return [{ publishId, why: "stale", refusal: null }];
      claimed.set(name, bytes);
    }
    const hidden = addedBy(publish).find((nevra) => yanked.has(nevra));
    return hidden === undefined ? [] : refuse(yankedRefusal(hidden, yanked.get(hidden) ?? ""));
  });
}

/** Restores that waited while what they would bring back was yanked. */
async function refuseReturns(
  tx: Tx,
  members: readonly SwitchMember[],
): Promise<readonly Refused[]> {
  const refused: Refused[] = [];
  for (const { publish } of members) {
    const yanked = await returningYanked(tx, publish);
    if (yanked === undefined) continue;
    const refusal = yankedRefusal(yanked.nevra, yanked.reason);
    refused.push({ publishId: publish.id, why: "taken", refusal });
  }
  return refused;
}

/** What an edit adds, by NEVRA. */
function addedBy(publish: PublishRow): readonly string[] {
  if (publish.kind !== "edit") return [];
  return requestOf(publish, "edit").edits.flatMap(({ add }) => add.map(({ nevra }) => nevra));
}

function takenRefusal(nevra: string, by: string | undefined): Refusal {
  return {
    code: "NEVRA_TAKEN",
    message: `${nevra} was published by ${by ?? "another build"} with other content`,
    hint: "Raise Release in the spec file, or push a new tag.",
  };
}

function yankedRefusal(nevra: string, reason: string): Refusal {
  return {
    code: "NEVRA_TAKEN",
    message: `${nevra} was yanked${reason ? `: ${reason}` : ""}.`,
    hint: "Ask for the change again without it.",
  };
}

function isMoved(request: SwitchRequest, channels: ReadonlyMap<string, Channel>): boolean {
  return request.generations.some(({ channel, base }) => channels.get(channel)?.head !== base);
}
