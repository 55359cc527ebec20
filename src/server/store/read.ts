import type { ReadStore } from "../views.ts";
import { buildView, listBuilds } from "./read-builds.ts";
import { changeView } from "./read-changes.ts";
import { channelSummaries, channelView } from "./read-channels.ts";
import { countBuilds, countRows } from "./read-counts.ts";
import { listChannelPackages, listNames, packageViews, versionsOf } from "./read-packages.ts";
import { promotionCounter } from "./read-promotions.ts";
import { withWaiting } from "./read-queue.ts";
import type { WorkerRoll } from "../worker-roll.ts";
import type { BuildRow } from "./schema.ts";
import type { Reader } from "./store.ts";

const WORKER_ALIVE_MS = 60_000;

/** What pages and the API read: each view costs a fixed number of queries. */
export function readStore(
  store: Reader,
  workers: Pick<WorkerRoll, "liveSince"> & Partial<Pick<WorkerRoll, "seenAt" | "troubles">>,
): ReadStore {
  const { db } = store;
  const { seenAt } = workers;
  const whole = async (build: BuildRow | undefined) => {
    const view = await buildView(store, build);
    return seenAt === undefined ? view : await withWaiting(store, { seenAt }, view);
  };
  const builds = db.selectFrom("builds").selectAll();
  const repos = db.selectFrom("repos").select(["name", "forge", "defaultBranch", "createdAt"]);
  return {
    listBuilds: (filter) => listBuilds(store, filter),
    buildById: async (id) => await whole(await builds.where("id", "=", id).executeTakeFirst()),
    buildByNumber: async (repo, number) => {
      const query = builds.where("repo", "=", repo).where("number", "=", number);
      return await whole(await query.executeTakeFirst());
    },
    repoByName: (name) => repos.where("name", "=", name).executeTakeFirst(),
    listRepos: () => repos.orderBy("name").execute(),
    listChannels: () => channelSummaries(store),
    channelByName: (name) => channelView(store, name),
    promotionCounts: promotionCounter(store),
    channelPackages: (filter) => listChannelPackages(store, filter),
    listPackages: (filter) => listNames(store, filter),
    packagesByName: (name) => versionsOf(store, name),
    packageByNevra: async (nevra) => {
      const query = db.selectFrom("packages").selectAll().where("nevra", "=", nevra);
      const [view] = await packageViews(store, await query.execute());
      return view;
    },
    changeById: (publishId) => changeView(store, publishId),
    buildCounts: () => countBuilds(store),
    counts: async () => ({
      ...(await countRows(store)),
      liveWorkers: workers.liveSince(store.now() - WORKER_ALIVE_MS),
      troubles: workers.troubles?.() ?? [],
    }),
  };
}
