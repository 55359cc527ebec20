import { decideDelivery, overQuota as quotaEnd } from "../../domain/life/delivery.ts";
import { branchOf, decidePush, type Push } from "../../domain/push.ts";
import type { FoundBy, IgnoredDelivery, Intake, IntakeResult } from "../intake-types.ts";
import { hotQuery } from "./hot-query.ts";
import { insertRow } from "./insert-row.ts";
import {
  findDelivery,
  findFound,
  findOwner,
  forgetIgnored,
  type Named,
} from "./known-deliveries.ts";
import { insertBuild, type InsertedBuild } from "./new-builds.ts";
import type { DeliveryRow } from "./schema.ts";
import type { Tx } from "./store.ts";

/** What pages show of a commit message; the whole of it is in git. */
export const MESSAGE_CHARACTERS_MAX = 2_000;

export interface Recorded {
  readonly result: IntakeResult;
  /** Set when a build was made, for those who are told after the commit. */
  readonly made?: InsertedBuild;
}

/** A verified delivery about a ref that came to name a commit. */
export interface RefDelivery extends Named {
  readonly event: string;
  readonly repo: string;
  readonly ref: string;
  readonly before: string;
  readonly after: string;
  /** Nobody delivered it: the forge's refs were looked at. */
  readonly foundBy?: DeliveryRow["foundBy"];
}

/**
 * Records a push and, if it asks for one, its build. The same delivery, body or push again leads to
 * the build that exists, so that a redelivery in any number and order makes one build (F4).
 */
export async function recordPush(
  tx: Tx,
  intake: Intake,
  limits: { readonly waitingBuildsMax: number },
): Promise<Recorded> {
  const { push, forge, deliveryId, bodyDigest, event, foundBy = null } = intake;
  const { repo, ref, before, after } = push;
  const delivery = { forge, deliveryId, bodyDigest, event, repo, ref, before, after, foundBy };
  return await recordOnce(tx, delivery, async () => {
    const defaultBranch = await rememberRepo(tx, push);
    const decision = decidePush({ ...push, defaultBranch: defaultBranch ?? undefined });
    const end =
      decision.kind === "skip" ? { state: "skipped" as const, reason: decision.reason } : null;
    const quota = end === null ? await overQuota(tx, repo, limits.waitingBuildsMax) : null;
    const isDeleted = decision.kind === "skip" && !decision.hasCommit;
    return await insertBuild(tx, {
      repo,
      forge: push.forge,
      event: push.tried === undefined ? "push" : "try",
      sha: isDeleted ? null : (push.sha ?? push.after),
      ref,
      before,
      after,
      message: push.message.slice(0, MESSAGE_CHARACTERS_MAX),
      authorName: push.authorName,
      pusher: push.pusher,
      trust: push.trust,
      defaultBranch,
      isReady: push.sha !== undefined || isDeleted,
      rerunOf: null,
      end: end ?? quota,
      isForced: push.isForced ?? false,
      isFresh: push.tried?.isFresh ?? false,
      steps: push.tried?.steps ?? null,
      mayPublish: push.tried === undefined,
    });
  });
}

/** Calls `make` for a delivery that is new in every way; else gives the build that it led to before. */
export async function recordOnce(
  tx: Tx,
  delivery: RefDelivery,
  make: () => Promise<InsertedBuild>,
): Promise<Recorded> {
  const seen = await findDelivery(tx, delivery);
  const pushKey = pushKeyOf(delivery);
  const owner = pushKey === null ? undefined : await findOwner(tx, pushKey);
  const found = pushKey === null ? undefined : await findFound(tx, delivery);
  const decision = decideDelivery({
    seen: seen?.disposition,
    ownerState: owner?.state,
    foundState: found?.state,
  });
  if (decision.kind === "known" && seen !== undefined) {
    return { result: await duplicateOf(tx, seen, "this delivery is known") };
  }
  if (seen?.disposition === "ignored") await forgetIgnored(tx, delivery);
  if (decision.kind === "same-push" && owner !== undefined) {
    const reason = "the same push is known under another delivery";
    const known = { disposition: "duplicate", reason, buildId: owner.buildId } as const;
    const row = await insertDelivery(tx, delivery, { ...known, pushKey: null });
    if (owner.isFound) await matchFound(tx, delivery, owner.deliveryRowId);
    return { result: await duplicateOf(tx, row, reason) };
  }
  if (owner !== undefined) await releasePushKey(tx, owner.deliveryRowId);
  if (decision.kind === "late" && found !== undefined) {
    return { result: await lateDelivery(tx, delivery, found) };
  }

  const made = await make();
  await insertDelivery(tx, delivery, {
    disposition: "accepted",
    reason: made.build.reason,
    buildId: made.build.id,
    pushKey,
  });
  return { result: acceptedAs(made), made };
}

const FOUND_NOTE = {
  sweep: "found by sweep: its delivery did not come",
  poll: "found by polling",
} as const satisfies Record<FoundBy, string>;

/** Says on the build that nobody delivered its push. */
export async function noteFound(tx: Tx, buildId: string, foundBy: FoundBy): Promise<void> {
  const note = FOUND_NOTE[foundBy];
  await tx.db.updateTable("builds").set({ note }).where("id", "=", buildId).execute();
}

/** A delivery that asks for nothing leaves a row too, so that nobody wonders where it went. */
export async function recordIgnored(
  tx: Tx,
  facts: IgnoredDelivery,
): Promise<{ readonly kind: "ignored" | "duplicate"; readonly reason: string }> {
  const seen = await findDelivery(tx, facts);
  if (seen !== undefined) return { kind: "duplicate", reason: "this delivery is known" };
  await tx.db
    .insertInto("deliveries")
    .values({
      id: tx.newId("d"),
      forge: facts.forge,
      deliveryId: facts.deliveryId,
      bodyDigest: facts.bodyDigest,
      event: facts.event,
      repo: facts.repo,
      ref: null,
      before: null,
      after: null,
      receivedAt: tx.now(),
      disposition: "ignored",
      reason: facts.reason,
      buildId: null,
      pushKey: null,
      foundBy: null,
      matchedBy: null,
    })
    .execute();
  return { kind: "ignored", reason: facts.reason };
}

/**
 * What makes two deliveries the same push. The own remote hands over each push exactly once, so there
 * the same move of a ref, made again, is a push of its own.
 */
function pushKeyOf({ forge, repo, ref, before, after, event }: RefDelivery): string | null {
  if (forge === "own") return null;
  return [repo, ref, before, after, event].join(" ");
}

async function lateDelivery(
  tx: Tx,
  delivery: RefDelivery,
  found: { readonly deliveryRowId: string; readonly buildId: string },
): Promise<IntakeResult> {
  const reason = "the push was found before its delivery came";
  const { buildId } = found;
  const became = { disposition: "duplicate", reason, buildId, pushKey: null } as const;
  const row = await insertDelivery(tx, delivery, became);
  await matchFound(tx, delivery, found.deliveryRowId);
  return await duplicateOf(tx, row, reason);
}

async function matchFound(tx: Tx, { deliveryId }: Named, foundRowId: string): Promise<void> {
  await tx.db
    .updateTable("deliveries")
    .set({ matchedBy: deliveryId })
    .where("id", "=", foundRowId)
    .execute();
}

async function releasePushKey(tx: Tx, deliveryRowId: string): Promise<void> {
  await tx.db
    .updateTable("deliveries")
    .set({ pushKey: null })
    .where("id", "=", deliveryRowId)
    .execute();
}

const reposNamed = hotQuery((db, repo: { readonly name: string }) =>
  db.selectFrom("repos").select(["defaultBranch", "forge"]).where("name", "=", repo.name),
);

/** Makes the repo known and returns its default branch: the forge's word, or the first branch pushed. */
export async function rememberRepo(
  tx: Tx,
  push: Pick<Push, "repo" | "forge" | "defaultBranch" | "ref" | "tried">,
): Promise<string | null> {
  const [known] = await reposNamed(tx, { name: push.repo });
  const defaultBranch = push.defaultBranch ?? known?.defaultBranch ?? branchOf(push.ref) ?? null;
  if (known === undefined) {
    const { repo: name, forge } = push;
    const row = { name, forge, defaultBranch, nextNumber: 1, createdAt: tx.now(), cacheEpoch: 0 };
    await tx.db.insertInto("repos").values(row).execute();
    return defaultBranch;
  }
  // A try comes through our own remote whatever the repo's forge is, and may be the first that is heard of it.
  const forge = push.tried === undefined ? push.forge : known.forge;
  if (known.defaultBranch !== defaultBranch || known.forge !== forge) {
    const set = { defaultBranch, forge };
    await tx.db.updateTable("repos").set(set).where("name", "=", push.repo).execute();
  }
  return defaultBranch;
}

const waitingOf = hotQuery((db, of: { readonly repo: string }) =>
  db
    .selectFrom("builds")
    .select(({ fn }) => fn.countAll<number>().as("waiting"))
    .where("repo", "=", of.repo)
    .where("state", "=", "queued")
    // Strangers who wait for approval must not keep the repo's own people out.
    .where("waitReason", "is", null),
);

/** Too much waits already: the build is recorded, and ends at once. */
export async function overQuota(tx: Tx, repo: string, waitingBuildsMax: number) {
  const [counted] = await waitingOf(tx, { repo });
  return quotaEnd(repo, counted?.waiting ?? 0, waitingBuildsMax);
}

async function insertDelivery(
  tx: Tx,
  delivery: RefDelivery,
  became: Pick<DeliveryRow, "disposition" | "reason" | "buildId" | "pushKey">,
): Promise<DeliveryRow> {
  const row: DeliveryRow = {
    id: tx.newId("d"),
    ...delivery,
    foundBy: delivery.foundBy ?? null,
    matchedBy: null,
    receivedAt: tx.now(),
    ...became,
  };
  await insertRow(tx, "deliveries", row);
  return row;
}

function acceptedAs({ build, queuedJobs }: InsertedBuild): IntakeResult {
  const isQueued = queuedJobs.length > 0;
  const { id: buildId, repo, number } = build;
  if (build.state === "skipped") {
    return { kind: "ignored", reason: build.reason ?? "nothing to build", buildId };
  }
  return { kind: "accepted", buildId, repo, number, queued: isQueued };
}

async function duplicateOf(tx: Tx, delivery: DeliveryRow, reason: string): Promise<IntakeResult> {
  const build =
    delivery.buildId === null
      ? undefined
      : await tx.db
          .selectFrom("builds")
          .select(["id", "repo", "number"])
          .where("id", "=", delivery.buildId)
          .executeTakeFirst();
  return {
    kind: "duplicate",
    buildId: build?.id ?? null,
    repo: build?.repo ?? null,
    number: build?.number ?? null,
    reason,
  };
}
