import { buildChannelName, channelsFor } from "../../domain/channel.ts";
import type { ServerNames } from "../../domain/pipeline.ts";
import { repoMatcher } from "../../domain/repo-patterns.ts";
import type { TrustClass } from "../../domain/push.ts";
import type { State } from "../../domain/states.ts";
import type { BuildGrant } from "../../shared/build-messages.ts";
import type { BuildFacts } from "../../shared/message-parts.ts";
import { settingsOf } from "./channels.ts";
import { readPullRequest } from "./new-builds.ts";
import { pushedAs } from "./publish-checks.ts";
import type { BuildRow, JobRow } from "./schema.ts";
import type { Reader, StoreEnv } from "./store.ts";
import { readPlan } from "./stored-plan.ts";

/** What every worker needs to know of the build it works for. */
export function buildFactsOf(env: Pick<StoreEnv, "buildUrl">, build: BuildRow): BuildFacts {
  const { id, repo, number, sha, after, ref, defaultBranch, event } = build;
  return {
    id,
    repo,
    number,
    sha: sha ?? after,
    ref,
    defaultBranch,
    event,
    pullRequest: readPullRequest(build),
    trust: build.trust as TrustClass,
    url: env.buildUrl(repo, number),
  };
}

/** Channels that a pipeline file may name, and whether this repo may publish there. */
export async function namedChannels(
  { db }: Pick<Reader, "db">,
  repo: string,
): Promise<ServerNames["channels"]> {
  // Copies and builds' own channels are made by pushes, and no file names them.
  const rows = await db
    .selectFrom("channels")
    .select(["name", "settingsJson"])
    .where("parent", "is", null)
    .where("name", "not like", "build-%")
    .orderBy("name")
    .execute();
  return rows.map((row) => ({
    name: row.name,
    mayPublish: repoMatcher(settingsOf(row).repos)(repo),
  }));
}

export async function cacheEpochOf({ db }: Pick<Reader, "db">, repo: string): Promise<number> {
  const row = await db
    .selectFrom("repos")
    .select("cacheEpoch")
    .where("name", "=", repo)
    .executeTakeFirst();
  return row?.cacheEpoch ?? 0;
}

/** Builds of a ref that are looked over for what passed last. */
const BUILDS_LOOKED_OVER = 100;

/**
 * Project → the newest commit of this branch for which all of it passed, its packages published. Only pushes are compared
 * with what was before; for a rerun that is what was there when its commit was pushed.
 */
export async function passedAt(
  tx: Pick<Reader, "db">,
  build: BuildRow,
): Promise<Readonly<Record<string, string>>> {
  const isPush = build.event === "push" || build.event === "rerun";
  if (!isPush || build.pullRequestJson !== null) return {};
  const before = await pushedAs(tx, build);
  const rows = await tx.db
    .selectFrom("jobs")
    .innerJoin("builds", "builds.id", "jobs.buildId")
    .select(["builds.sha", "builds.number", "jobs.project", "jobs.state"])
    .select(["builds.state as buildState", "builds.mayPublish"])
    .select(({ exists, selectFrom }) =>
      exists(
        selectFrom("artifacts")
          .select("artifacts.jobId")
          .whereRef("artifacts.jobId", "=", "jobs.id"),
      ).as("hasPackages"),
    )
    .where("builds.id", "in", (builds) =>
      builds
        .selectFrom("builds as earlier")
        .select("earlier.id")
        .where("earlier.repo", "=", build.repo)
        .where("earlier.ref", "=", build.ref)
        .where("earlier.number", "<", before)
        .where("earlier.pipelineJson", "is not", null)
        .where("earlier.pullRequestJson", "is", null)
        .where("earlier.event", "!=", "try")
        .orderBy("earlier.number", "desc")
        .limit(BUILDS_LOOKED_OVER),
    )
    .where("jobs.state", "!=", "skipped")
    .orderBy("builds.number", "desc")
    .execute();
  const newest: Record<string, string> = {};
  const byProject = Map.groupBy(rows, ({ project }) => project);
  for (const [project, all] of byProject) {
    const byBuild = Map.groupBy(all, ({ number }) => number);
    const passed = [...byBuild.values()].find((jobs) =>
      jobs.every((job) => job.state === "passed" && (!job.hasPackages || isPublished(job))),
    );
    const sha = passed?.[0]?.sha;
    if (sha != null) newest[project] = sha;
  }
  return newest;
}

/** A build publishes everything or nothing: packages of one that did not pass are nowhere yet. */
function isPublished({ buildState, mayPublish }: { buildState: State; mayPublish: number }) {
  return buildState === "passed" && mayPublish === 1;
}

/** What a `verify` job installs: the packages of its project, from the build's own channel. */
export async function verifyFactsOf(
  { db }: Pick<Reader, "db">,
  { job, build }: { readonly job: JobRow; readonly build: BuildRow },
): Promise<BuildGrant["verify"]> {
  if (job.kind !== "verify") return null;
  const channel = buildChannelName(job.buildId);
  const rows = await db
    .selectFrom("listings")
    .innerJoin("packages", "packages.nevra", "listings.nevra")
    .innerJoin("artifacts", "artifacts.sha256", "packages.unsignedSha256")
    .innerJoin("jobs", "jobs.id", "artifacts.jobId")
    .select("listings.nevra")
    .distinct()
    .where("listings.channel", "=", channel)
    .where("listings.target", "=", job.target ?? "")
    .where("listings.untilGeneration", "is", null)
    .where("jobs.buildId", "=", job.buildId)
    .where("jobs.project", "=", job.project)
    .orderBy("listings.nevra")
    .execute();
  const { repo, ref, defaultBranch } = build;
  const pullRequest = readPullRequest(build)?.number ?? null;
  const projects = readPlan(build)?.pipeline.projects ?? [];
  const rules = projects.find(({ name }) => name === job.project)?.publish ?? [];
  const publishTo = [...channelsFor(rules, { repo, ref, defaultBranch, pullRequest })];
  return { channel, nevras: rows.map(({ nevra }) => nevra), publishTo };
}
