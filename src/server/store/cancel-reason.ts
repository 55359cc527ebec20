import type { BuildRow } from "./schema.ts";
import type { Reader } from "./store.ts";

/** Why a build that was asked to stop has stopped: `superseded by #12`, or as the asker said. */
export async function cancelReason(
  { db }: Pick<Reader, "db">,
  { supersededBy }: Pick<BuildRow, "supersededBy">,
  otherwise: string,
): Promise<string> {
  if (supersededBy === null) return otherwise;
  const newer = await db
    .selectFrom("builds")
    .select("number")
    .where("id", "=", supersededBy)
    .executeTakeFirst();
  return newer === undefined ? otherwise : `superseded by #${newer.number}`;
}
