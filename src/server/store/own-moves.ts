import type { Reader } from "./store.ts";

/** What is recorded of a ref of the own remote. */
export interface RefMove {
  /** What it named after the newest push that is known to have moved it. */
  readonly last: string | null;
  /** Everything that a recorded push made it name, or is about to. */
  readonly known: ReadonlySet<string>;
  /** Pushes of which it was said that they never moved it, by what it would have named. */
  readonly cutOff: ReadonlyMap<string, { readonly before: string; readonly pusher: string }>;
}

/** A push to the own remote that was cut off before its ref moved. */
export const NEVER_MOVED = "the ref was never updated";

export async function lastMoves(
  { db }: Pick<Reader, "db">,
  repo: string,
): Promise<ReadonlyMap<string, RefMove>> {
  const rows = await db
    .selectFrom("deliveries")
    .innerJoin("builds", "builds.id", "deliveries.buildId")
    .select([
      "deliveries.ref as ref",
      "deliveries.before as before",
      "deliveries.after as after",
      "builds.reason as reason",
      "builds.pusher as pusher",
    ])
    .where("deliveries.forge", "=", "own")
    .where("deliveries.repo", "=", repo)
    .orderBy("deliveries.receivedAt")
    .execute();
  const byRef = Map.groupBy(rows, ({ ref }) => ref ?? "");
  return new Map(
    [...byRef].map(([ref, all]) => {
      const moved = all.filter(({ reason }) => reason !== NEVER_MOVED);
      const cutOff = all.filter(({ reason }) => reason === NEVER_MOVED);
      const facts: RefMove = {
        last: moved.at(-1)?.after ?? null,
        known: new Set(moved.flatMap(({ after }) => (after === null ? [] : [after]))),
        cutOff: new Map(
          cutOff.map(({ after, before, pusher }) => [
            after ?? "",
            { before: before ?? "", pusher },
          ]),
        ),
      };
      return [ref, facts] as const;
    }),
  );
}
