import { buildChannelName, isBuildChannel } from "../../domain/channel.ts";
import type { Tx } from "./store.ts";

/**
 * What a build made and no channel but its own lists gives its NEVRA free: it was never offered to
 * hosts, and the next push of the same version may bring other content.
 */
export async function freeNevras(tx: Tx, buildId: string): Promise<void> {
  await tx.db
    .updateTable("packages")
    .set({ freedAt: tx.now() })
    .where("buildId", "=", buildId)
    .where("freedAt", "is", null)
    .where(({ exists, not, selectFrom, and }) => {
      const listings = () =>
        selectFrom("listings")
          .select("listings.nevra")
          .whereRef("listings.nevra", "=", "packages.nevra");
      // Channels of builds are made by us alone; nobody subscribes a host to one.
      return and([
        exists(listings().where("listings.channel", "=", buildChannelName(buildId))),
        not(exists(listings().where("listings.channel", "not like", buildChannelName("%")))),
      ]);
    })
    .execute();
}

/** A person brought it from its build's channel into this one: hosts can have it, and it is as it is. */
export async function keepTaken(tx: Tx, channel: string, generation: number): Promise<void> {
  if (isBuildChannel(channel)) return;
  await tx.db
    .updateTable("packages")
    .set({ freedAt: null })
    .where("freedAt", "is not", null)
    .where("nevra", "in", (where) =>
      where
        .selectFrom("listings")
        .select("listings.nevra")
        .where("channel", "=", channel)
        .where("sinceGeneration", "=", generation),
    )
    .execute();
}

/** Its place is wanted by other content: it keeps its bytes until they are swept, under another name. */
export async function setAside(tx: Tx, nevra: string, buildId: string | null): Promise<void> {
  await tx.db.deleteFrom("listings").where("nevra", "=", nevra).execute();
  await tx.db
    .updateTable("packages")
    .set({ nevra: `${nevra}#${buildId ?? ""}`, delistedAt: tx.now() })
    .where("nevra", "=", nevra)
    .execute();
}
