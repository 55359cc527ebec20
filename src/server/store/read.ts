import { sql } from "kysely";
import type { State } from "../../domain/states.ts";
import type { FailureCard } from "../../shared/protocol.ts";
import type {
  BuildSummary,
  BuildView,
  ChannelView,
  JobView,
  PackageView,
  PublishView,
  ReadStore,
  StepFailureView,
  StepView,
} from "../views.ts";
import { packagesOf } from "./builds.ts";
import type { BuildRow, JobRow, PackageRow, PublishRow, StepRow } from "./schema.ts";
import type { Reader } from "./store.ts";

const GENERATIONS_SHOWN_MAX = 50;
const PACKAGES_SHOWN_MAX = 2_000;
const WORKER_ALIVE_MS = 60_000;

/** What pages and the API read: each view costs a fixed number of queries. */
export function readStore(store: Reader, workers: { liveSince(at: number): number }): ReadStore {
  return {
    listBuilds: (filter) => listBuilds(store, filter),
    buildById: async (id) => {
      const query = store.db.selectFrom("builds").selectAll().where("id", "=", id);
      return await viewOf(store, await query.executeTakeFirst());
    },
    buildByNumber: async (repo, number) => {
      const query = store.db.selectFrom("builds").selectAll();
      const row = await query
        .where("repo", "=", repo)
        .where("number", "=", number)
        .executeTakeFirst();
      return await viewOf(store, row);
    },
    repoByName: (name) =>
      store.db
        .selectFrom("repos")
        .select(["name", "forge", "defaultBranch", "createdAt"])
        .where("name", "=", name)
        .executeTakeFirst(),
    listRepos: () =>
      store.db
        .selectFrom("repos")
        .select(["name", "forge", "defaultBranch", "createdAt"])
        .orderBy("name")
        .execute(),
    listChannels: () =>
      store.db
        .selectFrom("channels")
        .select(["name", "head", "updatedAt"])
        .orderBy("name")
        .execute(),
    channelByName: (name) => channelView(store, name),
    buildCounts: () => countBuilds(store),
    counts: async () => ({
      ...(await countRows(store)),
      liveWorkers: workers.liveSince(store.now() - WORKER_ALIVE_MS),
    }),
  };
}

async function listBuilds(
  { db }: Reader,
  filter: Parameters<ReadStore["listBuilds"]>[0],
): Promise<readonly BuildSummary[]> {
  let query = db.selectFrom("builds").selectAll();
  if (filter.repo !== undefined) query = query.where("repo", "=", filter.repo);
  if (filter.state !== undefined) query = query.where("state", "=", filter.state);
  if (filter.beforeAt !== undefined) query = query.where("createdAt", "<", filter.beforeAt);
  // Within a repo the numbers are the order, and there is an index for them.
  if (filter.repo === undefined) query = query.orderBy("createdAt", "desc");
  const rows = await query.orderBy("number", "desc").limit(filter.limit).execute();
  return rows.map(summaryOf);
}

async function viewOf(store: Reader, build: BuildRow | undefined): Promise<BuildView | undefined> {
  if (build === undefined) return undefined;
  const { db } = store;
  const jobs = await db
    .selectFrom("jobs")
    .selectAll()
    .where("buildId", "=", build.id)
    .orderBy("position")
    .execute();
  const steps = await db
    .selectFrom("steps")
    .innerJoin("jobs", (join) =>
      join.onRef("jobs.id", "=", "steps.jobId").onRef("jobs.attempt", "=", "steps.attempt"),
    )
    .selectAll("steps")
    .where("jobs.buildId", "=", build.id)
    .orderBy("steps.position")
    .execute();
  const publish = await db
    .selectFrom("publishes")
    .selectAll()
    .where("buildId", "=", build.id)
    .executeTakeFirst();
  const packages = await db
    .selectFrom("packages")
    .selectAll()
    .where("buildId", "=", build.id)
    .orderBy("nevra")
    .execute();
  const { before, defaultBranch, cancelRequestedAt, note } = build;
  return {
    ...summaryOf(build),
    before,
    defaultBranch,
    cancelRequestedAt,
    note,
    jobs: jobs.map((job) => jobOf(job, steps)),
    publish: publish === undefined ? null : publishOf(publish),
    packages: await withListings(store, packages),
    artifacts: await packagesOf(store, build.id),
  };
}

function summaryOf(build: BuildRow): BuildSummary {
  const { id, repo, number, forge, sha, ref, message, authorName, pusher, event } = build;
  const { state, reason, rerunOf, createdAt, startedAt, endedAt } = build;
  const failure =
    build.failureJson === null ? null : (JSON.parse(build.failureJson) as FailureCard);
  return {
    id,
    repo,
    number,
    forge,
    sha,
    ref,
    message,
    authorName,
    pusher,
    event,
    state,
    reason: reason ?? (state === "queued" ? "waiting for a worker" : null),
    rerunOf,
    createdAt,
    startedAt,
    endedAt,
    failure,
  };
}

function jobOf(job: JobRow, steps: readonly StepRow[]): JobView {
  const { id, target, state, reason, attempt, queuedAt, startedAt, endedAt, worker } = job;
  const own = steps.filter((step) => step.jobId === id).map(stepOf);
  return { id, target, state, reason, attempt, queuedAt, startedAt, endedAt, worker, steps: own };
}

function stepOf({ name, kind, state, note, startedAt, endedAt, failureJson }: StepRow): StepView {
  const failure = failureJson === null ? null : (JSON.parse(failureJson) as StepFailureView);
  return { name, kind, state, note, startedAt, endedAt, failure };
}

function publishOf(publish: PublishRow): PublishView {
  const { state, startedAt, endedAt, durationMs, keyFingerprint } = publish;
  return {
    state,
    startedAt,
    endedAt,
    durationMs,
    keyFingerprint,
    channels: JSON.parse(publish.channelsJson) as string[],
    generations: JSON.parse(publish.generationsJson ?? "[]") as PublishView["generations"],
  };
}

async function withListings(
  { db }: Reader,
  packages: readonly PackageRow[],
): Promise<readonly PackageView[]> {
  if (packages.length === 0) return [];
  const listings = await db
    .selectFrom("listings")
    .select(["channel", "target", "nevra"])
    .where(
      "nevra",
      "in",
      packages.map(({ nevra }) => nevra),
    )
    .orderBy("channel")
    .execute();
  const listed = Map.groupBy(listings, ({ nevra }) => nevra);
  const numbers = await buildNumbers(db, packages);
  return packages.map(({ epoch: _epoch, unsignedSha256: _unsigned, ...facts }) => ({
    ...facts,
    buildNumber: numbers.get(facts.buildId) ?? 0,
    listings: (listed.get(facts.nevra) ?? []).map(({ channel, target }) => ({ channel, target })),
  }));
}

async function buildNumbers(
  db: Reader["db"],
  packages: readonly PackageRow[],
): Promise<ReadonlyMap<string, number>> {
  const ids = [...new Set(packages.map(({ buildId }) => buildId))];
  const rows = await db
    .selectFrom("builds")
    .select(["id", "number"])
    .where("id", "in", ids)
    .execute();
  return new Map(rows.map(({ id, number }) => [id, number]));
}

async function channelView(store: Reader, name: string): Promise<ChannelView | undefined> {
  const { db } = store;
  const channel = await db
    .selectFrom("channels")
    .selectAll()
    .where("name", "=", name)
    .executeTakeFirst();
  if (channel === undefined) return undefined;
  const generations = await db
    .selectFrom("generations")
    .select(["number", "buildId", "createdAt", "targetsJson"])
    .where("channel", "=", name)
    .where("number", "<=", channel.head)
    .orderBy("number", "desc")
    .limit(GENERATIONS_SHOWN_MAX)
    .execute();
  const rows = await db
    .selectFrom("packages")
    .selectAll("packages")
    .where("nevra", "in", (where) =>
      where.selectFrom("listings").select("listings.nevra").where("channel", "=", name),
    )
    .orderBy("name")
    .orderBy("publishedAt", "desc")
    .limit(PACKAGES_SHOWN_MAX)
    .execute();
  const head = generations.find(({ number }) => number === channel.head);
  return {
    ...channel,
    targets: Object.keys(JSON.parse(head?.targetsJson ?? "{}") as object).toSorted(),
    packages: await withListings(store, rows),
    generations: generations.map(({ number, buildId, createdAt }) => ({
      number,
      buildId,
      createdAt,
    })),
  };
}

async function countBuilds({ db }: Reader) {
  const builds = await db
    .selectFrom("builds")
    .select(["state", ({ fn }) => fn.countAll<number>().as("count")])
    .groupBy("state")
    .execute();
  return Object.fromEntries(builds.map(({ state, count }) => [state, count]));
}

async function countRows({ db }: Reader) {
  const jobs = await db
    .selectFrom("jobs")
    .select([
      "state",
      ({ fn }) => fn.countAll<number>().as("count"),
      ({ fn }) => fn.min<number | null>("queuedAt").as("oldestAt"),
    ])
    .where("state", "in", ["queued", "running"])
    .groupBy("state")
    .execute();
  const { waiting: publishesWaiting } = await db
    .selectFrom("publishes")
    .select(({ fn }) => fn.countAll<number>().as("waiting"))
    .where("state", "in", ["queued", "running"])
    .executeTakeFirstOrThrow();
  const { waiting: statusesWaiting } = await db
    .selectFrom("outbox")
    .select(({ fn }) => fn.countAll<number>().as("waiting"))
    .where(sql<boolean>`version > "sentVersion"`)
    .where("terminalReason", "is", null)
    .executeTakeFirstOrThrow();
  const parked = await db
    .selectFrom("credentials")
    .select(["forge", "parkedReason"])
    .where("parkedReason", "is not", null)
    .execute();
  const jobCount = (state: State) => jobs.find((row) => row.state === state)?.count ?? 0;
  return {
    jobsQueued: jobCount("queued"),
    jobsRunning: jobCount("running"),
    oldestQueuedAt: jobs.find((row) => row.state === "queued")?.oldestAt ?? null,
    publishesWaiting,
    statusesWaiting,
    parkedForges: parked.map(({ forge, parkedReason }) => ({
      forge,
      reason: parkedReason ?? "",
    })),
  };
}
