import { inChunks } from "./chunks.ts";
import type { PackageRow, PublishRow } from "./schema.ts";
import type { Reader } from "./store.ts";

/** What planning a change reads beside listings. */

/** NEVRAs of all that these builds published first. */
export async function nevrasOfBuilds(
  { db }: Pick<Reader, "db">,
  buildIds: Iterable<string>,
): Promise<readonly string[]> {
  const rows = await inChunks(buildIds, (some) =>
    db.selectFrom("packages").select("nevra").where("buildId", "in", some).execute(),
  );
  return rows.map(({ nevra }) => nevra);
}

/** Every package that was ever published under these names, listed or not. */
export async function packagesNamed(
  { db }: Pick<Reader, "db">,
  names: Iterable<string>,
): Promise<readonly PackageRow[]> {
  return await inChunks(names, (some) =>
    db.selectFrom("packages").selectAll().where("name", "in", some).execute(),
  );
}

/** Undefined when the repo has no build of this number. */
export async function buildIdOf(
  { db }: Pick<Reader, "db">,
  repo: string,
  number: number,
): Promise<string | undefined> {
  const row = await db
    .selectFrom("builds")
    .select("id")
    .where("repo", "=", repo)
    .where("number", "=", number)
    .executeTakeFirst();
  return row?.id;
}

/** Is work like this waiting already? `channel` undefined: any. */
export async function isWaiting(
  { db }: Pick<Reader, "db">,
  wish: { readonly kind: PublishRow["kind"]; readonly by: string; readonly channel?: string },
): Promise<boolean> {
  const rows = await db
    .selectFrom("publishes")
    .select("channelsJson")
    .where("state", "in", ["queued", "running"])
    .where("kind", "=", wish.kind)
    .where("by", "=", wish.by)
    .execute();
  const { channel } = wish;
  return rows.some(
    ({ channelsJson }) =>
      channel === undefined || (JSON.parse(channelsJson) as string[]).includes(channel),
  );
}

/** When work like this was last asked for; undefined: never. */
export async function lastAskedAt(
  { db }: Pick<Reader, "db">,
  wish: { readonly kind: PublishRow["kind"]; readonly by: string },
): Promise<number | undefined> {
  const row = await db
    .selectFrom("publishes")
    .select(({ fn }) => fn.max<number | null>("queuedAt").as("at"))
    .where("kind", "=", wish.kind)
    .where("by", "=", wish.by)
    .executeTakeFirst();
  return row?.at ?? undefined;
}
