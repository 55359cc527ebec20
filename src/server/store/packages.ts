import { chunked, inChunks } from "./chunks.ts";
import type { PackageRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

/** Of those that are known, in no order. */
export async function packagesByNevra(
  { db }: Pick<Reader, "db">,
  nevras: Iterable<string>,
): Promise<readonly PackageRow[]> {
  return await inChunks(nevras, (some) =>
    db.selectFrom("packages").selectAll().where("nevra", "in", some).execute(),
  );
}

/** Hidden from now on; with `refuse` their downloads are answered 410 as well. */
export async function markYanked(
  tx: Tx,
  nevras: Iterable<string>,
  { reason, refuse }: { readonly reason: string; readonly refuse: boolean },
): Promise<void> {
  const now = tx.now();
  for (const some of chunked(nevras)) {
    await tx.db
      .updateTable("packages")
      .set({ yankedAt: now, yankReason: reason, ...(refuse ? { refusedAt: now } : {}) })
      .where("nevra", "in", some)
      .execute();
  }
  tx.channelsChanged();
}

/** They are listed again, so they are neither hidden nor refused. */
export async function unmarkYanked(tx: Tx, nevras: Iterable<string>): Promise<void> {
  for (const some of chunked(nevras)) {
    await tx.db
      .updateTable("packages")
      .set({ yankedAt: null, yankReason: null, refusedAt: null })
      .where("nevra", "in", some)
      .where("yankedAt", "is not", null)
      .execute();
  }
  tx.channelsChanged();
}

/** NEVRAs of all yanked packages with the reason: few. */
export async function yankedReasons({
  db,
}: Pick<Reader, "db">): Promise<ReadonlyMap<string, string>> {
  const rows = await db
    .selectFrom("packages")
    .select(["nevra", "yankReason"])
    .where("yankedAt", "is not", null)
    .execute();
  return new Map(rows.map(({ nevra, yankReason }) => [nevra, yankReason ?? ""]));
}

/** False: there is no such package. */
export async function pinPackage(tx: Tx, nevra: string, isPinned: boolean): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable("packages")
    .set({ isPinned: isPinned ? 1 : 0 })
    .where("nevra", "=", nevra)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
