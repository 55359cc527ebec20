import { sql } from "kysely";
import type { ChannelSettings } from "../../shared/channel-settings.ts";
import { lineageOf, listed } from "./listings.ts";
import type { Reader } from "./store.ts";

const DAY_MS = 86_400_000;

/**
 * What the rules of a channel would remove now: per target, name and architecture all but the newest
 * `keepVersions`, and what was listed longer than `maxAgeDays` ago but for the newest. Pinned packages
 * stay, and with `keepTagged` those whose commit has a tag.
 */
export async function retentionCandidates(
  { db }: Pick<Reader, "db">,
  channel: string,
  { retention }: Pick<ChannelSettings, "retention">,
  now: number,
): Promise<readonly { readonly target: string; readonly nevra: string }[]> {
  const { keepVersions, maxAgeDays, keepTagged } = retention;
  const lineage = await lineageOf({ db }, channel);
  if (lineage === undefined || (keepVersions === null && maxAgeDays === null)) return [];
  const ranked = db.selectFrom(listed(db, lineage, undefined).as("listed")).select([
    "listed.target",
    "listed.nevra",
    "listed.sinceGeneration",
    sql<number>`row_number() over (
        partition by listed.target, listed.name, listed.arch
        order by listed."evrKey" desc, listed.nevra)`.as("rank"),
  ]);
  let query = db
    .selectFrom(ranked.as("ranked"))
    .innerJoin("packages", "packages.nevra", "ranked.nevra")
    .leftJoin("builds", "builds.id", "packages.buildId")
    .leftJoin("generations", (join) =>
      join
        .on("generations.channel", "=", channel)
        .onRef("generations.number", "=", "ranked.sinceGeneration"),
    )
    .select(["ranked.target", "ranked.nevra"])
    .where("packages.isPinned", "=", 0)
    .where(({ eb, and, or, fn }) => {
      const listedAt = fn.coalesce("generations.createdAt", "packages.publishedAt");
      const tooMany = keepVersions === null ? [] : [eb("ranked.rank", ">", keepVersions)];
      const oldest = now - (maxAgeDays ?? 0) * DAY_MS;
      const tooOld = and([eb("ranked.rank", ">", 1), eb(listedAt, "<", oldest)]);
      return or([...tooMany, ...(maxAgeDays === null ? [] : [tooOld])]);
    });
  if (keepTagged) {
    // The tag may have come later, and have a build of its own that published nothing.
    query = query.where(({ eb, or, selectFrom }) =>
      or([
        eb("builds.sha", "is", null),
        eb(
          "builds.sha",
          "not in",
          selectFrom("builds as tagged")
            .select("tagged.sha")
            .where("tagged.ref", "like", "refs/tags/%")
            .where("tagged.sha", "is not", null)
            .$castTo<{ sha: string }>(),
        ),
      ]),
    );
  }
  return await query.orderBy("ranked.target").orderBy("ranked.nevra").execute();
}
