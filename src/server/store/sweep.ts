import type { ExpressionBuilder } from "kysely";
import { graceSeconds } from "../../shared/channel-settings.ts";
import { settingsOf } from "./channels.ts";
import { chunked, inChunks } from "./chunks.ts";
import { requestOf, type SweepPlan, type SweepRequest } from "./publish-requests.ts";
import type { PublishRow, Tables } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

/** For a channel whose settings leave it to its name: the longest that its `.repo` file can say. */
const METADATA_EXPIRE_SECONDS = 3_600;

/** Plans a sweep that is being granted, and keeps the plan for its end. */
export async function planSweep(tx: Tx, publish: PublishRow): Promise<SweepPlan> {
  const plan = await sweepPlan(tx, tx.now());
  const request: SweepRequest = { ...requestOf(publish, "sweep"), plan };
  await tx.db
    .updateTable("publishes")
    .set({ requestJson: JSON.stringify(request) })
    .where("id", "=", publish.id)
    .execute();
  return plan;
}

/** What nobody can be using any more at this instant. */
export async function sweepPlan(tx: Pick<Reader, "db">, now: number): Promise<SweepPlan> {
  const graceMs = await graceOf(tx);
  const keep = await keptGenerations(tx, now - graceMs);
  const dropPackages = await unusedPackages(tx, { keep, beforeAt: now - graceMs });
  return { keep, dropPackages, graceMs };
}

/** One grace for all, the longest: a package may be in several channels. */
async function graceOf({ db }: Pick<Reader, "db">): Promise<number> {
  const rows = await db.selectFrom("channels").select("settingsJson").execute();
  const seconds = rows.map((row) =>
    graceSeconds(settingsOf(row).metadataExpireSeconds ?? METADATA_EXPIRE_SECONDS),
  );
  return Math.max(graceSeconds(METADATA_EXPIRE_SECONDS), ...seconds) * 1_000;
}

/**
 * Heads, pinned ones, those that were the head since `cutAt`, those that a restore waits for, and those
 * whose files they name.
 */
async function keptGenerations(
  { db }: Pick<Reader, "db">,
  cutAt: number,
): Promise<SweepPlan["keep"]> {
  const rows = await db
    .selectFrom("generations")
    .select(["channel", "number", "createdAt", "isPinned", "targetsJson"])
    .where("sweptAt", "is", null)
    .orderBy("number")
    .execute();
  const restored = await restoredGenerations({ db });
  const byChannel = Map.groupBy(rows, ({ channel }) => channel);
  return [...byChannel].map(([channel, generations]) => {
    const kept = generations.filter(({ number, isPinned }, index) => {
      const next = generations[index + 1];
      const isNeeded = isPinned === 1 || restored.has(`${channel} ${number}`);
      return next === undefined || isNeeded || next.createdAt > cutAt;
    });
    const named = kept.flatMap(({ targetsJson }) =>
      Object.values(JSON.parse(targetsJson) as Record<string, number>),
    );
    const numbers = new Set([...kept.map(({ number }) => number), ...named]);
    return { channel, numbers: [...numbers].sort((a, b) => a - b) };
  });
}

/** As `channel number`: what an undo, or a new fork, is to be made from. */
async function restoredGenerations({ db }: Pick<Reader, "db">): Promise<ReadonlySet<string>> {
  const restores = await db
    .selectFrom("publishes")
    .select(["kind", "requestJson"])
    .where("state", "in", ["queued", "running"])
    .where("kind", "=", "restore")
    .execute();
  const sources = restores.map((restore) => requestOf(restore, "restore").from);
  return new Set(sources.map(({ channel, number }) => `${channel} ${number}`));
}

async function unusedPackages(
  tx: Pick<Reader, "db">,
  { keep, beforeAt }: { readonly keep: SweepPlan["keep"]; readonly beforeAt: number },
): Promise<SweepPlan["dropPackages"]> {
  const unlisted = await tx.db
    .selectFrom("packages")
    .select(["nevra", "signedSha256", "fileName"])
    .where("sweptAt", "is", null)
    .where("isPinned", "=", 0)
    .where("publishedAt", "<", beforeAt)
    .where(({ eb, or }) => or([eb("delistedAt", "is", null), eb("delistedAt", "<", beforeAt)]))
    .where(isListedNowhere)
    .execute();
  const needed = await neededByGenerations(tx, keep, unlisted);
  return unlisted
    .filter(({ nevra }) => !needed.has(nevra))
    .map(({ signedSha256: sha256, fileName }) => ({ sha256, fileName }));
}

/** No channel lists the package now with a row of its own. */
function isListedNowhere({ not, exists, selectFrom }: ExpressionBuilder<Tables, "packages">) {
  const listings = selectFrom("listings")
    .select("listings.nevra")
    .whereRef("listings.nevra", "=", "packages.nevra")
    .where("listings.untilGeneration", "is", null);
  return not(exists(listings));
}

/** Those that a kept generation lists, or that a child inherits. */
async function neededByGenerations(
  { db }: Pick<Reader, "db">,
  keep: SweepPlan["keep"],
  packages: readonly { readonly nevra: string }[],
): Promise<ReadonlySet<string>> {
  const forks = await db
    .selectFrom("channels")
    .select(["parent", "parentGeneration"])
    .where("parent", "is not", null)
    .execute();
  const kept = new Map(keep.map(({ channel, numbers }) => [channel, [...numbers]]));
  for (const { parent, parentGeneration } of forks) {
    kept.get(parent ?? "")?.push(parentGeneration ?? 0);
  }
  const spans = await inChunks(
    packages.map(({ nevra }) => nevra),
    (some) =>
      db
        .selectFrom("listings")
        .select(["channel", "nevra", "sinceGeneration", "untilGeneration"])
        .where("nevra", "in", some)
        .execute(),
  );
  const isNeeded = ({ channel, sinceGeneration, untilGeneration }: (typeof spans)[number]) =>
    (kept.get(channel) ?? []).some(
      (number) => sinceGeneration <= number && number < (untilGeneration ?? Infinity),
    );
  return new Set(spans.filter(isNeeded).map(({ nevra }) => nevra));
}

/** A sweep is done: what it deleted is gone from the records as well. */
export async function recordSweep(tx: Tx, publish: PublishRow): Promise<void> {
  const { plan, dryRun } = requestOf(publish, "sweep");
  if (plan === null || dryRun) return;
  const { keep, dropPackages } = plan;
  const sweptAt = tx.now();
  for (const some of chunked(dropPackages.map(({ sha256 }) => sha256))) {
    await tx.db
      .updateTable("packages")
      .set({ sweptAt })
      .where("signedSha256", "in", some)
      .where("sweptAt", "is", null)
      // Listed again while the sweep ran: the worker has left its bytes.
      .where(isListedNowhere)
      .execute();
  }
  for (const { channel, numbers } of keep) {
    for (const some of chunked(await sweptNumbers(tx, channel, numbers))) {
      await tx.db
        .updateTable("generations")
        .set({ sweptAt })
        .where("channel", "=", channel)
        .where("number", "in", some)
        .execute();
    }
  }
}

/** What is newer than the plan was not in question. */
async function sweptNumbers(
  tx: Tx,
  channel: string,
  kept: readonly number[],
): Promise<readonly number[]> {
  const rows = await tx.db
    .selectFrom("generations")
    .select("number")
    .where("channel", "=", channel)
    .where("sweptAt", "is", null)
    .where("number", "<", kept.at(-1) ?? 0)
    .execute();
  const stays = new Set(kept);
  return rows.map(({ number }) => number).filter((number) => !stays.has(number));
}
