import type { Changed } from "./builds.ts";
import { findChannel } from "./channels.ts";
import { listed, type Lineage } from "./listings.ts";
import { channelsOf, endPublish } from "./publish-ends.ts";
import type { Tx } from "./store.ts";

export type DeletedChannel =
  /** Announce the changes: publishes that waited for it have failed. */
  | { readonly kind: "deleted"; readonly changes: readonly Changed[] }
  | { readonly kind: "not-found" }
  /** They list what it lists: delete them first. */
  | { readonly kind: "has-children"; readonly children: readonly string[] };

/**
 * Forgets a channel with all its generations. Its packages keep their bytes for the grace period, as
 * if they had been removed now. What waits to publish to it fails; what runs is refused at its switch.
 */
export async function deleteChannel(tx: Tx, name: string): Promise<DeletedChannel> {
  const channel = await findChannel(tx, name);
  if (channel === undefined) return { kind: "not-found" };
  const children = await tx.db
    .selectFrom("channels")
    .select("name")
    .where("parent", "=", name)
    .execute();
  if (children.length > 0) {
    return { kind: "has-children", children: children.map((child) => child.name) };
  }
  await delist(tx, channel);
  await tx.db.deleteFrom("listings").where("channel", "=", name).execute();
  await tx.db.deleteFrom("generationPublishes").where("channel", "=", name).execute();
  await tx.db.deleteFrom("generations").where("channel", "=", name).execute();
  await tx.db.deleteFrom("extras").where("channel", "=", name).execute();
  await tx.db.deleteFrom("channels").where("name", "=", name).execute();
  tx.channelsChanged();
  return { kind: "deleted", changes: await failWaiting(tx, name) };
}

/** What it listed lately, of its own or by inheritance, and no other channel lists. */
async function delist(tx: Tx, { name, parent, parentGeneration }: Lineage): Promise<void> {
  const own = () =>
    tx.db.selectFrom("listings").select("listings.nevra").where("channel", "=", name);
  const inherited =
    parent === null ? undefined : { name: parent, parent: null, parentGeneration: null };
  await tx.db
    .updateTable("packages")
    .set({ delistedAt: tx.now() })
    .where("nevra", "in", () =>
      inherited === undefined
        ? own()
        : own().union(
            tx.db
              .selectFrom(listed(tx.db, inherited, parentGeneration ?? 0).as("inherited"))
              .select("inherited.nevra"),
          ),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("listings")
            .select("listings.nevra")
            .whereRef("listings.nevra", "=", "packages.nevra")
            .where("listings.channel", "!=", name)
            .where("listings.untilGeneration", "is", null),
        ),
      ),
    )
    .execute();
}

async function failWaiting(tx: Tx, channel: string): Promise<readonly Changed[]> {
  const queued = await tx.db
    .selectFrom("publishes")
    .selectAll()
    .where("state", "=", "queued")
    .execute();
  const changes: Changed[] = [];
  for (const publish of queued) {
    if (!channelsOf(publish).includes(channel)) continue;
    changes.push(await endPublish(tx, publish, goneChannel(channel)));
  }
  return changes;
}

/** How a publish to a channel ends that there is no more. */
export function goneChannel(channel: string) {
  const reason = `channel ${channel} was deleted`;
  return { state: "failed", reason, text: reason } as const;
}
