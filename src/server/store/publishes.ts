import { timingSafeEqual } from "node:crypto";
import { LEASE_MS } from "../../domain/attempt.ts";
import { formatNevra } from "../../domain/nevra.ts";
import type {
  BuiltPackage,
  FailureCard,
  PublishCheckAnswer,
  PublishCheckRequest,
  SwitchAnswer,
  SwitchRequest,
} from "../../shared/protocol.ts";
import { endBuild, findBuild, packagesOf, type Changed } from "./builds.ts";
import { hashToken } from "./leases.ts";
import type { BuildRow, PublishRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

export interface GrantedPublish {
  readonly publish: PublishRow;
  readonly build: BuildRow;
  readonly channels: readonly { readonly name: string; readonly head: number }[];
  readonly packages: readonly BuiltPackage[];
}

/** Grants the oldest publish request that may run now. */
export async function claimPublish(
  tx: Tx,
  worker: string,
  token: string,
): Promise<GrantedPublish | undefined> {
  const now = tx.now();
  const next = await tx.db
    .selectFrom("publishes")
    .selectAll()
    .where("state", "=", "queued")
    .where("notBeforeAt", "<=", now)
    .orderBy("queuedAt")
    .limit(1)
    .executeTakeFirst();
  const build = next && (await findBuild(tx, next.buildId));
  if (next === undefined || build === undefined) return undefined;
  const publish: PublishRow = {
    ...next,
    state: "running",
    attempt: next.attempt + 1,
    countedAttempts: next.countedAttempts + 1,
    startedAt: next.startedAt ?? now,
    worker,
    leaseTokenHash: hashToken(token),
    leaseExpiresAt: now + LEASE_MS,
  };
  const { id, ...set } = publish;
  await tx.db.updateTable("publishes").set(set).where("id", "=", id).execute();
  const rows = await packagesOf(tx, build.id);
  const packages = rows.map(({ fileName, sha256, sizeBytes, target }) => ({
    fileName,
    sha256,
    sizeBytes,
    target,
  }));
  return { publish, build, channels: await headsOf(tx, channelNames(publish)), packages };
}

function channelNames(publish: PublishRow): readonly string[] {
  return JSON.parse(publish.channelsJson) as string[];
}

async function headsOf(tx: Tx, names: readonly string[]) {
  return await tx.db
    .selectFrom("channels")
    .select(["name", "head"])
    .where("name", "in", names)
    .orderBy("name")
    .execute();
}

/** The request, if `token` is that of its newest attempt and it still runs. */
export async function leasedPublish(
  tx: Pick<Reader, "db">,
  id: string,
  token: string,
): Promise<PublishRow | undefined> {
  const publish = await withToken(tx, id, token);
  return publish?.state === "running" ? publish : undefined;
}

async function withToken(
  tx: Pick<Reader, "db">,
  id: string,
  token: string,
): Promise<PublishRow | undefined> {
  const publish = await tx.db
    .selectFrom("publishes")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirst();
  if (publish?.leaseTokenHash == null) return undefined;
  const given = Buffer.from(hashToken(token), "hex");
  return timingSafeEqual(given, Buffer.from(publish.leaseTokenHash, "hex")) ? publish : undefined;
}

export async function renewPublishLease(
  tx: Tx,
  id: string,
  token: string,
): Promise<{ readonly cancel: boolean } | undefined> {
  const publish = await leasedPublish(tx, id, token);
  if (publish === undefined) return undefined;
  await tx.db
    .updateTable("publishes")
    .set({ leaseExpiresAt: tx.now() + LEASE_MS })
    .where("id", "=", id)
    .execute();
  const build = await findBuild(tx, publish.buildId);
  return { cancel: build?.cancelRequestedAt != null };
}

/** Which of these identities are new, known with the same content, or taken by other content. */
export async function checkPackages(
  tx: Pick<Reader, "db">,
  request: PublishCheckRequest,
): Promise<PublishCheckAnswer> {
  const names = request.packages.map(({ nevra }) => formatNevra(nevra));
  const known = await tx.db
    .selectFrom("packages")
    .innerJoin("builds", "builds.id", "packages.buildId")
    .select(["nevra", "unsignedSha256", "signedSha256", "builds.repo", "builds.number"])
    .where("nevra", "in", names)
    .execute();
  const packages = request.packages.map(({ nevra, unsignedSha256 }) => {
    const row = known.find((candidate) => candidate.nevra === formatNevra(nevra));
    if (row === undefined) {
      return { unsignedSha256, verdict: "new" as const, signedSha256: null, takenBy: null };
    }
    const isSame = row.unsignedSha256 === unsignedSha256;
    return {
      unsignedSha256,
      verdict: isSame ? ("same" as const) : ("taken" as const),
      signedSha256: isSame ? row.signedSha256 : null,
      takenBy: `${row.repo} #${row.number}`,
    };
  });
  return { packages };
}

export type Switched =
  | { readonly answer: SwitchAnswer; readonly changed: Changed }
  /** Another publish took this NEVRA with other content since it was checked. */
  | { readonly taken: string; readonly changed: Changed };

/**
 * The one moment that matters: all pointers move, the build passes and its status is queued in a
 * single transaction, or nothing happens at all.
 */
export async function switchChannels(
  tx: Tx,
  id: string,
  token: string,
  request: SwitchRequest,
): Promise<Switched | undefined> {
  const publish = await withToken(tx, id, token);
  const build = publish && (await findBuild(tx, publish.buildId));
  if (publish === undefined || build === undefined) return undefined;
  const changed: Changed = { buildId: build.id };
  // The answer to the first sending was lost.
  if (publish.state === "live") return { answer: { kind: "live" }, changed };
  if (publish.state !== "running") return undefined;
  if (build.cancelRequestedAt !== null) {
    return { answer: { kind: "cancelled" }, changed: await cancelPublish(tx, publish, build) };
  }
  const heads = await headsOf(tx, channelNames(publish));
  const isMoved = request.generations.some(
    ({ channel, base }) => heads.find(({ name }) => name === channel)?.head !== base,
  );
  if (isMoved) return { answer: { kind: "moved", channels: heads }, changed };

  const taken = await takenNevra(tx, request);
  if (taken !== undefined) return { taken, changed };
  await insertPackages(tx, build, request);
  for (const generation of request.generations) await moveChannel(tx, build, generation, request);
  const channels = channelNames(publish).join(", ");
  await tx.db
    .updateTable("publishes")
    .set({
      state: "live",
      endedAt: tx.now(),
      leaseExpiresAt: null,
      durationMs: Math.round(request.durationMs),
      keyFingerprint: request.keyFingerprint,
      generationsJson: JSON.stringify(
        request.generations.map(({ channel, number }) => ({ channel, number })),
      ),
    })
    .where("id", "=", id)
    .execute();
  const text = `passed; published to ${channels}`;
  const statusId = await endBuild(tx, build, { state: "passed", reason: null, text });
  return { answer: { kind: "live" }, changed: { buildId: build.id, statusId } };
}

/** Looked at again where it counts: two builds may have checked the same NEVRA at the same time. */
async function takenNevra(tx: Tx, request: SwitchRequest): Promise<string | undefined> {
  const packages = request.packages.map(({ nevra, unsignedSha256 }) => ({ nevra, unsignedSha256 }));
  if (packages.length === 0) return undefined;
  const checked = await checkPackages(tx, { packages });
  const index = checked.packages.findIndex(({ verdict }) => verdict === "taken");
  const taken = packages[index];
  return (
    taken &&
    `${formatNevra(taken.nevra)} was published by ${checked.packages[index]?.takenBy ?? "another build"} with other content`
  );
}

async function insertPackages(tx: Tx, build: BuildRow, request: SwitchRequest): Promise<void> {
  for (const made of request.packages) {
    const { nevra, target: _target, ...facts } = made;
    await tx.db
      .insertInto("packages")
      .values({
        ...facts,
        ...nevra,
        nevra: formatNevra(nevra),
        repo: build.repo,
        buildId: build.id,
        publishedAt: tx.now(),
      })
      // The same content published before keeps its first provenance.
      .onConflict((conflict) => conflict.column("nevra").doNothing())
      .execute();
  }
}

async function moveChannel(
  tx: Tx,
  build: BuildRow,
  generation: SwitchRequest["generations"][number],
  request: SwitchRequest,
): Promise<void> {
  const { channel, base, number, targets } = generation;
  const now = tx.now();
  await tx.db
    .insertInto("generations")
    .values({
      channel,
      number,
      base,
      buildId: build.id,
      createdAt: now,
      targetsJson: JSON.stringify(targets),
    })
    .execute();
  await tx.db
    .updateTable("channels")
    .set({ head: number, updatedAt: now })
    .where("name", "=", channel)
    .execute();
  for (const made of request.packages) {
    const nevra = formatNevra(made.nevra);
    await tx.db
      .insertInto("listings")
      .values({ channel, target: made.target, nevra, sinceGeneration: number })
      .onConflict((conflict) => conflict.columns(["channel", "target", "nevra"]).doNothing())
      .execute();
  }
}

export async function cancelPublish(
  tx: Tx,
  publish: PublishRow,
  build: BuildRow,
): Promise<Changed> {
  await endPublish(tx, publish, "cancelled");
  const reason = "cancelled on request";
  const end = { state: "cancelled", reason, text: reason } as const;
  return { buildId: build.id, statusId: await endBuild(tx, build, end) };
}

/** The user's packages were refused; the channel is untouched. */
export async function failPublish(
  tx: Tx,
  id: string,
  token: string,
  failure: FailureCard,
): Promise<Changed | undefined> {
  const publish = await withToken(tx, id, token);
  const build = publish && (await findBuild(tx, publish.buildId));
  if (publish === undefined || build === undefined) return undefined;
  if (publish.state === "failed") return { buildId: build.id };
  if (publish.state !== "running") return undefined;
  if (build.cancelRequestedAt !== null) return await cancelPublish(tx, publish, build);
  await endPublish(tx, publish, "failed");
  const end = { state: "failed", reason: failure.title, text: failure.title, failure } as const;
  return { buildId: build.id, statusId: await endBuild(tx, build, end) };
}

export async function endPublish(
  tx: Tx,
  publish: PublishRow,
  state: "failed" | "errored" | "cancelled",
): Promise<void> {
  await tx.db
    .updateTable("publishes")
    .set({ state, endedAt: tx.now(), leaseExpiresAt: null })
    .where("id", "=", publish.id)
    .execute();
}

export async function claimablePublishes(
  tx: Reader,
  limit: number,
): Promise<readonly { readonly id: string; readonly attempt: number }[]> {
  return await tx.db
    .selectFrom("publishes")
    .select(["id", "attempt"])
    .where("state", "=", "queued")
    .where("notBeforeAt", "<=", tx.now())
    .orderBy("queuedAt")
    .limit(limit)
    .execute();
}
