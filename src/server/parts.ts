import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Request } from "express";
import { makeFolder, syncPath } from "../shared/durable.ts";
import { processEnv, type ServerConfig } from "../shared/config.ts";
import type { Logger } from "../shared/logger.ts";
import { openOutbound } from "../shared/outbound.ts";
import { openSchedulers, openTickets } from "../shared/queues.ts";
import { openRedisWatch } from "../shared/redis-watch.ts";
import { TOPICS, openTopicWriter, type TopicWriter } from "../shared/topics.ts";
import { yumLayout } from "../yum/layout.ts";
import { openBaseRepositories } from "../yum/base-repositories/base-repositories.ts";
import { readKeyStatus } from "../yum/keys/key-status.ts";
import { openResolver } from "../yum/resolve/resolver.ts";
import { loadAdminToken } from "./admin-token.ts";
import { createAnnouncer } from "./announcer.ts";
import { openDrains } from "./drains.ts";
import { openArtifactFiles } from "./artifact-files.ts";
import { buildAssets } from "./assets.ts";
import { channelActions } from "./changes/channel-actions.ts";
import { openChanges } from "./changes/changes.ts";
import type { AuthDeps } from "./auth.ts";
import { diskHealth } from "./disk-health.ts";
import { openDiskAlarm } from "./disk-alarm.ts";
import { watchRoom } from "./free-room.ts";
import { gitCallers } from "./git-callers.ts";
import type { GitRemoteDeps } from "./git-remote.ts";
import { openGitHeads } from "./git-heads.ts";
import { openForgeRefs } from "./forge-refs.ts";
import { openGitRepos } from "./git-repos.ts";
import { openIntake } from "./intake.ts";
import { createLive } from "./live.ts";
import { openLogFiles } from "./logs.ts";
import { DatabaseUnusable } from "./store/inspect-database.ts";
import { ensureChannels } from "./store/channels.ts";
import { restartLeaseClocks } from "./store/leases.ts";
import { holdNewerPlans } from "./store/newer-plans.ts";
import { shortenPauses } from "./store/pauses.ts";
import { readStore } from "./store/read.ts";
import { replanSchedules } from "./store/schedules.ts";
import { testReads } from "./store/test-reads.ts";
import { endSession, isEnded, isSignedIn, redeemLink } from "./store/sessions.ts";
import { openStore, type Store } from "./store/store.ts";
import { createSchedules } from "./schedules.ts";
import { loadSecretKey } from "./secret-key.ts";
import { openSecrets } from "./secrets.ts";
import { createSuperseder } from "./superseder.ts";
import { openTriggers } from "./triggers.ts";
import { createWorkerRoll } from "./worker-roll.ts";

export interface PartsOptions {
  readonly config: ServerConfig;
  readonly logger: Logger;
  /** Where this machine reaches the server, used when no public address is set. */
  readonly localUrl: string;
  readonly now: () => number;
  readonly newId: (prefix: string) => string;
  readonly newToken: () => string;
  /** The database can not be trusted any more: the process must end, and start anew. */
  readonly onBroken: (err: unknown) => void;
  /** Redis can be reached again: tickets may be missing. */
  readonly onRedis: () => void;
}

export type Parts = Awaited<ReturnType<typeof openParts>>;

/** What is synced in them is lost with them, so their own names are on the disk first. */
async function makeFolders(dataDir: string): Promise<void> {
  for (const name of ["git", "logs", "artifacts"]) await makeFolder(join(dataDir, name));
  // An earlier life may have made them, and ended before this.
  await syncPath(dataDir);
}

/** Opens all that the HTTP process owns. Nothing is answered yet. */
export async function openParts(options: PartsOptions) {
  const { config, logger, now, newId, newToken } = options;
  const inData = (name: string): string => join(config.dataDir, name);
  const publicUrl = config.publicUrl ?? options.localUrl;

  await refuseHalfRestored(config.dataDir);
  await makeFolders(config.dataDir);
  const admin = await loadAdminToken(config.dataDir, config.adminToken, newToken);
  const { store, disk } = await openRecords(options, publicUrl);
  const { tickets, redisWatch, topics, schedulers } = openRedisParts(options);
  const live = createLive();
  const logs = openLogFiles(inData("logs"));
  const announcer = createAnnouncer({ tickets, live, logs, logger });
  const { waitingBuildsMax } = config;
  const stopJobs = jobStopper(topics);
  const path = processEnv()["PATH"] ?? "";
  const repos = openGitRepos({ dir: inData("git"), path });
  const superseder = createSuperseder({ store, repos, announcer, topics, logger });
  const intake = openIntake({ store, announcer, superseder, stopJobs, waitingBuildsMax });
  const { githubUrl, githubReadToken } = config;
  const heads = openGitHeads({ repos, path, githubUrl, githubReadToken });
  const forgeRefs = openForgeRefs({ path, githubUrl, githubReadToken, dir: inData("looks") });
  const told = { store, announcer, logger, waitingBuildsMax };
  const schedules = createSchedules({ ...told, heads, schedulers });
  const roll = createWorkerRoll(now);
  const { heardOf, troubleOf } = roll;
  /** As the asker spells it, unless a public address is set: behind a tunnel both may be right. */
  const publicUrlOf = (request: Request): string => config.publicUrl ?? addressOf(request);
  const layout = yumLayout(inData("yum"));
  const read = readStore(store, roll);
  const resolver = openResolver(layout);
  const baseRepositories = openBaseRepositories({
    declared: config.baseRepositories,
    now,
    get: openOutbound(config).get,
  });
  baseRepositories.prepare();
  const hasRoom = watchRoom(config.dataDir, config.freeDiskMinMib, now);
  const git: GitRemoteDeps = {
    hasRoom,
    disk,
    repos,
    superseder,
    intake,
    store,
    announcer,
    logger,
    newId,
    patterns: config.repos,
    identify: gitCallers({ store, adminToken: admin.token }),
    buildUrl: (request, repo, number) => `${publicUrlOf(request)}/repos/${repo}/${number}`,
  };
  return {
    ...options,
    admin,
    publicUrl,
    publicUrlOf,
    hasRoom,
    disk,
    diskHealth: (namesFolder: boolean) => diskHealth({ ...config, hasRoom, disk }, namesFolder),
    store,
    tickets,
    redisWatch,
    topics,
    superseder,
    forgeRefs,
    schedulers,
    schedules,
    triggers: openTriggers({ store, heads, repos, announcer, waitingBuildsMax }),
    secrets: openSecrets(store, await loadSecretKey(config.dataDir)),
    live,
    announcer,
    intake,
    roll,
    drains: openDrains({ store, announcer, stopJobs, heardOf, troubleOf, logger }),
    git,
    auth: authOf(store, admin.token, options, publicUrlOf),
    logs,
    artifacts: openArtifactFiles(inData("artifacts")),
    read,
    tests: testReads(store),
    layout,
    baseRepositories,
    keyStatus: () => readKeyStatus(layout.keys),
    changes: openChanges({ store, announcer, read, layout, resolver, baseRepositories }),
    channelActions: channelActions({ store, announcer }),
    assets: await buildAssets(),
    yumDir: inData("yum"),
    keyFingerprint: () => readFingerprint(join(inData("yum"), "keys", "fingerprint")),
    /** Aborted when the server stops: open streams end. */
    stopping: new AbortController(),
  };
}

/** Half of a backup would look like all of it, and what is missing like what never was. */
async function refuseHalfRestored(dataDir: string): Promise<void> {
  const from = await readFile(join(dataDir, "restore-unfinished"), "utf8").catch(() => undefined);
  if (from === undefined) return;
  const again = `tatara restore ${from.split("\n", 1)[0]}`;
  throw new DatabaseUnusable(`${dataDir} is half restored. Do it again first: ${again}`);
}

/** All lines to Redis but that of the schedules' consumer; none of them is waited for. */
function openRedisParts({ config, logger, now, newToken, onRedis }: PartsOptions) {
  const { redisUrl } = config;
  const watched = { redisUrl, logger, now, newEpoch: newToken, onForgotten: onRedis };
  return {
    tickets: openTickets({ redisUrl, logger, onConnect: onRedis }),
    redisWatch: openRedisWatch(watched),
    topics: openTopicWriter(redisUrl, logger),
    schedulers: openSchedulers({ redisUrl, logger }),
  };
}

/** A hint: the worker hears it at once, or else with its next heartbeat. */
function jobStopper(topics: TopicWriter): (jobIds: readonly string[]) => void {
  return (jobIds) => {
    for (const id of jobIds) void topics.publish(TOPICS.cancel, id).catch(() => undefined);
  };
}

/** The database, made ready for this life, and the memory of what the disk refused it. */
async function openRecords(options: PartsOptions, publicUrl: string) {
  const { now, newId, onBroken } = options;
  const { dataDir } = options.config;
  const buildUrl = (repo: string, number: number): string => `${publicUrl}/repos/${repo}/${number}`;
  const disk = openDiskAlarm({ dataDir, now });
  const env = { now, newId, buildUrl };
  const store = await openStore(join(dataDir, "tatara.db"), env, (err, trouble) => {
    disk.note("the database", err);
    if (trouble === "broken") onBroken(err);
  });
  await store.write(ensureChannels);
  await store.write(restartLeaseClocks);
  await store.write(holdNewerPlans);
  await store.write(shortenPauses);
  await store.write(replanSchedules);
  return { store, disk };
}

/** The address that a request was sent to. */
export function addressOf(request: Request): string {
  return `${request.protocol}://${request.get("host") ?? ""}`;
}

function authOf(
  store: Store,
  adminToken: string,
  { config, now, newToken }: PartsOptions,
  publicUrlOf: (request: Request) => string,
): AuthDeps {
  return {
    adminToken,
    anonymousRead: config.anonymousRead,
    now,
    publicUrlOf,
    sessions: {
      redeemLink: async (link) => {
        const browserToken = newToken();
        const isGood = await store.write((tx) => redeemLink(tx, link, browserToken));
        return isGood ? browserToken : undefined;
      },
      isValid: (token) => isSignedIn(store, token),
      isEnded: (token) => isEnded(store, token),
      end: (token) => store.write((tx) => endSession(tx, token)),
    },
  };
}

/** The publish worker writes it beside the public key; before its first start there is none. */
async function readFingerprint(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.trim() || undefined;
}
