import { listedIn } from "./listings.ts";
import { requestOf } from "./publish-requests.ts";
import type { PublishRow } from "./schema.ts";
import type { Reader } from "./store.ts";

/** A yanked package; few are. */
export interface Yanked {
  readonly nevra: string;
  /** Empty when nobody said. */
  readonly reason: string;
}

/**
 * A yanked package that a restore must not list: to undo a yank is to bring back what was yanked
 * before the undo was asked for, unless its downloads are refused; a fork begins with none.
 * Undefined when there is none, and for a publish of another kind.
 */
export async function returningYanked(
  { db }: Pick<Reader, "db">,
  publish: PublishRow,
): Promise<Yanked | undefined> {
  if (publish.kind !== "restore") return undefined;
  const { channel, from } = requestOf(publish, "restore");
  const query = db
    .selectFrom("packages")
    .select(["nevra", "yankReason"])
    .where("yankedAt", "is not", null);
  const isUndo = channel === from.channel;
  const barred = await (
    isUndo
      ? query.where(({ eb, or }) =>
          or([eb("refusedAt", "is not", null), eb("yankedAt", ">", publish.queuedAt)]),
        )
      : query
  ).execute();
  const nevras = barred.map(({ nevra }) => nevra);
  const wanted = await listedIn({ db }, { channel: from.channel, at: from.number, nevras });
  const present = await listedIn({ db }, { channel, nevras });
  const known = new Set(present.map(({ target, nevra }) => `${target} ${nevra}`));
  const back = wanted.find(({ target, nevra }) => !known.has(`${target} ${nevra}`))?.nevra;
  const reason = barred.find(({ nevra }) => nevra === back)?.yankReason;
  return back === undefined ? undefined : { nevra: back, reason: reason ?? "" };
}
