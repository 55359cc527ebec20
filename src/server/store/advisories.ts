import type { Advisory, ListedAdvisory } from "../../shared/package-messages.ts";
import { inChunks } from "./chunks.ts";
import type { Reader, Tx } from "./store.ts";

/** The advisories about any of these packages, each with those of them that it is about. */
export async function advisoriesFor(
  { db }: Pick<Reader, "db">,
  nevras: Iterable<string>,
): Promise<readonly ListedAdvisory[]> {
  const rows = await inChunks(nevras, (some) =>
    db
      .selectFrom("advisoryPackages")
      .innerJoin("advisories", "advisories.id", "advisoryPackages.advisoryId")
      .select(["advisories.id", "advisoryJson", "nevra"])
      .where("nevra", "in", some)
      .execute(),
  );
  const byId = Map.groupBy(rows, ({ id }) => id);
  return [...byId.values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined) return [];
    const advisory = JSON.parse(first.advisoryJson) as Advisory;
    return [{ ...advisory, nevras: same.map(({ nevra }) => nevra).toSorted() }];
  });
}

/** The newest text of an id counts, unless the id is another repo's. */
export async function insertAdvisories(
  tx: Tx,
  advisories: readonly ListedAdvisory[],
  origin: { readonly buildId: string | null; readonly repo: string },
): Promise<void> {
  for (const { nevras, ...advisory } of advisories) {
    if (await isForeign(tx, advisory.id, origin.repo)) continue;
    const advisoryJson = JSON.stringify(advisory);
    const { buildId } = origin;
    await tx.db
      .insertInto("advisories")
      .values({ id: advisory.id, buildId, advisoryJson, createdAt: tx.now() })
      .onConflict((conflict) => conflict.column("id").doUpdateSet({ buildId, advisoryJson }))
      .execute();
    for (const nevra of nevras) {
      await tx.db
        .insertInto("advisoryPackages")
        .values({ advisoryId: advisory.id, nevra })
        .onConflict((conflict) => conflict.columns(["advisoryId", "nevra"]).doNothing())
        .execute();
    }
  }
}

async function isForeign({ db }: Tx, id: string, repo: string): Promise<boolean> {
  const known = await db
    .selectFrom("advisories")
    .leftJoin("builds", "builds.id", "advisories.buildId")
    .select("builds.repo")
    .where("advisories.id", "=", id)
    .executeTakeFirst();
  return known !== undefined && (known.repo ?? "") !== repo;
}
