import { buildChannelName } from "../../domain/channel.ts";
import type { ChangeCause } from "../../shared/channel-changes.ts";
import type { ChannelSummary, ChannelView, GenerationView } from "../views.ts";
import { settingsOf } from "./channels.ts";
import { generationsOf } from "./generations.ts";
import type { GenerationRow } from "./schema.ts";
import type { Reader } from "./store.ts";

const GENERATIONS_SHOWN_MAX = 50;
/** Packages that a generation's line names. */
const CHANGES_SHOWN_MAX = 20;

export async function channelSummaries({ db }: Reader): Promise<readonly ChannelSummary[]> {
  // Every build that is verified has one for itself: it is shown with its build.
  const query = channelRows(db).where("channels.name", "not like", buildChannelName("%"));
  return (await query.orderBy("channels.name").execute()).map(summaryOf);
}

export async function channelView(store: Reader, name: string): Promise<ChannelView | undefined> {
  const row = await channelRows(store.db).where("channels.name", "=", name).executeTakeFirst();
  if (row === undefined) return undefined;
  const generations = await generationsOf(store, name, { limit: GENERATIONS_SHOWN_MAX });
  const causes = await causesOf(store, name, generations);
  const added = await changesOf(store, generations, "sinceGeneration");
  const removed = await changesOf(store, generations, "untilGeneration");
  return {
    ...summaryOf(row),
    generations: generations.map((generation): GenerationView => {
      const { number, createdAt, base, isPinned, sweptAt, targetsJson } = generation;
      return {
        number,
        createdAt,
        base,
        isPinned: isPinned === 1,
        isKept: sweptAt === null,
        targets: JSON.parse(targetsJson) as Record<string, number>,
        causes: causes.get(number) ?? [],
        added: added.get(number) ?? [],
        removed: removed.get(number) ?? [],
      };
    }),
  };
}

/** How many packages it lists is told by the head itself: counting them would grow with them. */
function channelRows(db: Reader["db"]) {
  return db
    .selectFrom("channels")
    .leftJoin("generations", (join) =>
      join
        .onRef("generations.channel", "=", "channels.name")
        .onRef("generations.number", "=", "channels.head"),
    )
    .selectAll("channels")
    .select("generations.countsJson");
}

function summaryOf(
  row: Awaited<ReturnType<ReturnType<typeof channelRows>["executeTakeFirstOrThrow"]>>,
): ChannelSummary {
  const { name, head, updatedAt, parent, parentGeneration, expiresAt } = row;
  const counts = JSON.parse(row.countsJson ?? "{}") as Record<string, number>;
  return {
    name,
    head,
    updatedAt,
    parent: parent === null ? null : { name: parent, number: parentGeneration ?? 0 },
    expiresAt,
    settings: settingsOf(row),
    targets: Object.entries(counts)
      .map(([target, packages]) => ({ name: target, packages }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

async function causesOf(
  { db }: Reader,
  channel: string,
  generations: readonly GenerationRow[],
): Promise<ReadonlyMap<number, readonly ChangeCause[]>> {
  const rows = await db
    .selectFrom("generationPublishes")
    .innerJoin("publishes", "publishes.id", "generationPublishes.publishId")
    .leftJoin("builds", "builds.id", "publishes.buildId")
    .select([
      "generationPublishes.number as generation",
      "publishes.id as publishId",
      "publishes.kind",
      "publishes.by",
      "publishes.note",
      "builds.id as buildId",
      "builds.repo",
      "builds.number",
    ])
    .where("generationPublishes.channel", "=", channel)
    .where("generationPublishes.number", ">=", generations.at(-1)?.number ?? 0)
    .orderBy("publishes.queuedAt")
    .orderBy("publishes.id")
    .execute();
  const causes = rows.map(({ generation, publishId, kind, by, note, buildId, repo, number }) => ({
    generation,
    cause: {
      publishId,
      kind,
      by,
      note,
      build: buildId === null ? null : { id: buildId, repo: repo ?? "", number: number ?? 0 },
    },
  }));
  const byGeneration = Map.groupBy(causes, ({ generation }) => generation);
  return new Map(
    [...byGeneration].map(([number, some]) => [number, some.map(({ cause }) => cause)]),
  );
}

/** The first NEVRAs that each generation began, or ended, to list: one question for all of them. */
async function changesOf(
  { db }: Reader,
  generations: readonly GenerationRow[],
  edge: "sinceGeneration" | "untilGeneration",
): Promise<ReadonlyMap<number, readonly string[]>> {
  const questions = generations.map(({ channel, number }) =>
    db
      .selectFrom(
        db
          .selectFrom("listings")
          .select(["nevra", `${edge} as number` as const])
          .distinct()
          .where("channel", "=", channel)
          .where(edge, "=", number)
          .limit(CHANGES_SHOWN_MAX)
          .as("changes"),
      )
      .select(["changes.nevra", "changes.number"]),
  );
  const [first, ...others] = questions;
  if (first === undefined) return new Map();
  const rows = await others.reduce((all, one) => all.unionAll(one), first).execute();
  const byGeneration = Map.groupBy(rows, ({ number }) => number ?? 0);
  return new Map(
    [...byGeneration].map(([number, some]) => [number, some.map(({ nevra }) => nevra).sort()]),
  );
}
