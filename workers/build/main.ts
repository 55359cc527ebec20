import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { processEnv, readBuildWorkerConfig } from "../../src/shared/config.ts";
import type { BuildWorkerConfig } from "../../src/shared/config.ts";
import { createLogger } from "../../src/shared/logger.ts";
import type { Logger } from "../../src/shared/logger.ts";
import { type BuildGrant } from "../../src/shared/build-messages.ts";
import { consumeTickets } from "../../src/shared/queues.ts";
import { serverClient } from "../../src/shared/server-client.ts";
import { announceReady } from "../../src/shared/ready.ts";
import { installShutdown } from "../../src/shared/shutdown.ts";
import { TOPICS, subscribe } from "../../src/shared/topics.ts";
import { openCacheStore } from "./cache/cache-store.ts";
import { openClaims } from "./claims.ts";
import { dockerEngine } from "./docker/docker-engine.ts";
import { engineAddress } from "./engine-address.ts";
import { watchEngine } from "./engine-watch.ts";
import { openGit } from "./source/git.ts";
import { serverRecords } from "./job-record.ts";
import { imageMemory } from "./image-memory.ts";
import { keepRoom } from "./keep-room.ts";
import { keptContainers } from "./kept-containers.ts";
import { holdLease } from "./lease.ts";
import type { Lease } from "./lease.ts";
import { builderMemory } from "./package/builder.ts";
import { readPackageScripts } from "./package/scripts.ts";
import { openMirrors } from "./source/mirrors.ts";
import { reapForever } from "./reaper.ts";
import { runJob } from "./run-job.ts";
import type { RunJobDeps } from "./job.ts";
import { tellTroubles } from "./tell-trouble.ts";
import { wakeable } from "./wakeable.ts";
import { spoolBudget } from "./log/spool.ts";
import { askForJobs } from "./resume/ask-for-jobs.ts";
import type { ReturnedJob } from "./resume/ask-for-jobs.ts";
import { attemptOf, readAttempt, readBootId, writeAttempt } from "./resume/attempt-file.ts";
import { crashHistory } from "./resume/crash-history.ts";
import { sayGoodbye } from "./resume/goodbye.ts";
import { openJournal } from "./resume/journal.ts";
import { resumeJob } from "./resume/resume-job.ts";
import { serveShells } from "./shells/serve-shells.ts";
import { readWorkerId } from "./worker-id.ts";

/** A planned stop is over within ten seconds, force included. */
const SHUTDOWN_MS = 9_500;
const JOB_TIMEOUT_MS = 6 * 60 * 60 * 1_000;
const CGROUP_PARENT = "/tatara";
const IMAGE_TTL_MS = 7 * 24 * 60 * 60 * 1_000;

const env = processEnv();
const config = readBuildWorkerConfig(env);
const logger = createLogger({ process: "build", level: config.logLevel, now: Date.now });
/** SIGTERM is a planned restart: containers run on. Whatever else ends this process hands back. */
let isRestart = false;
process.once("SIGTERM", () => (isRestart = true));
const shutdown = installShutdown({ logger, deadlineMs: SHUTDOWN_MS });

const dir = join(config.dataDir, "worker", config.workerName || "build");
const workerId = await readWorkerId(dir, config.workerName);
const client = serverClient({ url: config.serverUrl, token: config.workerToken });
const engine = dockerEngine({
  address: engineAddress(config.dockerHost),
  logger,
  now: Date.now,
  cgroupParent: CGROUP_PARENT,
  buildLimits: { memoryBytes: config.stepMemoryBytes, cpus: config.stepCpus },
  imageTtlMs: IMAGE_TTL_MS,
  mirrorProxy: config.mirrorProxy ?? null,
});
const troubles = tellTroubles({ client, workerId }, shutdown.signal);
const reaping = wakeable();
const watch = watchEngine({
  engine,
  logger,
  onChange: (trouble) => {
    troubles.set("engine", trouble);
    // What it was doing when it went away, nobody has ended.
    if (trouble === null) reaping.wake();
  },
});
const budget = spoolBudget();
const bootId = await readBootId();
const deps = await jobDeps(config, logger);

const handBack = new AbortController();
shutdown.signal.addEventListener("abort", () => {
  if (!isRestart) handBack.abort(shutdown.signal.reason);
});
/** Leases of the jobs that run now, by job. */
const leases = new Map<
  string,
  { readonly lease: Lease; readonly attempt: string; readonly startedAt: number }
>();
const room = keepRoom({
  ...config,
  ...deps,
  dir,
  held: () => [...leases.values()],
  troubles,
});
const claims = openClaims({
  client,
  engine: {
    ready: async (signal) => {
      await watch.ready(signal);
      await room.ready(signal);
    },
  },
  workerId,
  slots: config.slots,
  run,
  shutdown: shutdown.signal,
  logger,
  random: Math.random,
  onUnannounced: () => consumer.foundUnannounced(),
});

const history = crashHistory(dir, Date.now);
const returned = await askForJobs(
  { client, workerId, jobsDir: deps.dir, bootId, logger },
  shutdown.signal,
);
const isCareful = await history.returned(returned.length);

// Closed in reverse order: first no more tickets, then the jobs that run.
shutdown.onClose("jobs", async () => {
  if (!isRestart) return await claims.drained();
  const held = [...leases.values()].map(({ lease }) => lease);
  await sayGoodbye({ client, workerId, held, unsentBytes: budget.held, history, logger });
});
const consumer = consumeTickets({
  queue: "build",
  redisUrl: config.redisUrl,
  logger,
  onTicket: async () => void (await claims.claimOne()),
});
shutdown.onClose("tickets", () => consumer.close());
const cancels = subscribe({
  redisUrl: config.redisUrl,
  topic: TOPICS.cancel,
  logger,
  onMessage: (jobId) => leases.get(jobId)?.lease.beat(),
});
shutdown.onClose("cancels", () => cancels.close());
const shells = serveShells(
  {
    client,
    engine,
    serverUrl: config.serverUrl,
    token: config.workerToken,
    workerId,
    hasKept: deps.keptContainers.hasAny,
    logger,
  },
  shutdown.signal,
);
shutdown.onClose("shells", () => shells.drained());
const shellHints = subscribe({
  redisUrl: config.redisUrl,
  topic: TOPICS.shell,
  logger,
  onMessage: (worker) => {
    if (worker === workerId) void shells.ask();
  },
});
shutdown.onClose("shell hints", () => shellHints.close());

logger.info({ workerId, slots: config.slots, serverUrl: config.serverUrl }, "Build worker started");
announceReady();
claims.resume(returned.map(resumed), isCareful);
void claims.askWhileIdle();
void watch.lookForever(shutdown.signal);
void room.lookForever(shutdown.signal);
void reapForever(
  {
    tidy: room.tidy,
    engine,
    client,
    workerId,
    jobsDir: deps.dir,
    pause: reaping.pause,
    isOurs: (attempt) => [...leases.values()].some((held) => held.attempt === attempt),
    logger,
  },
  shutdown.signal,
);

async function run(grant: BuildGrant): Promise<void> {
  await underLease(grant, (lease) => runJob(grant, deps, lease));
}

/** Its lease is kept alive from now on, though its turn may come later. */
function resumed(job: ReturnedJob): () => Promise<void> {
  const turn = Promise.withResolvers<void>();
  const work = underLease(job.grant, async (lease) => {
    await turn.promise;
    await resumeJob(job, lease, { deps, client, ready: watch.ready });
  });
  work.catch(() => undefined);
  return async () => {
    turn.resolve();
    await work;
  };
}

async function underLease(grant: BuildGrant, work: (lease: Lease) => Promise<void>): Promise<void> {
  const lease = holdLease(grant, { client, shutdown: handBack.signal, logger });
  const attempt = `${grant.jobId}-${grant.lease.attempt}`;
  leases.set(grant.jobId, { lease, attempt, startedAt: Date.now() });
  try {
    await work(lease);
  } finally {
    leases.delete(grant.jobId);
    lease.close();
  }
}

async function jobDeps(settings: BuildWorkerConfig, log: Logger): Promise<RunJobDeps> {
  const git = openGit({ path: env["PATH"] ?? "/usr/bin:/bin", proxy: proxyOf(env) });
  const httpPrefixes = [settings.serverUrl, ...settings.httpForges];
  return {
    openRecord: serverRecords({ client, budget }),
    openJournal: async (grant, to) => {
      // A job that is resumed has its file already.
      if ((await readAttempt(to)) === undefined) await writeAttempt(to, attemptOf(grant, bootId));
      return await openJournal(to, log);
    },
    engine,
    git,
    mirrors: openMirrors({ dir: join(dir, "mirrors"), git, httpPrefixes }),
    images: imageMemory(),
    workerId,
    baseImage: settings.baseImage,
    jobTimeoutMs: JOB_TIMEOUT_MS,
    limits: {
      memoryBytes: settings.stepMemoryBytes,
      cpus: settings.stepCpus,
      pids: settings.stepPids,
      timeoutMs: settings.stepTimeoutMs,
      idleTimeoutMs: settings.idleTimeoutMs,
      diskBytes: settings.stepDiskBytes,
    },
    targets: settings.targets,
    yumSources: settings.yumSources,
    serverUrl: settings.serverUrl,
    packageScripts: await readPackageScripts(),
    verifyScript: await readFile(new URL("./steps/verify.sh", import.meta.url), "utf8"),
    builders: builderMemory(),
    caches: openCacheStore({ dir: join(dir, "caches"), now: Date.now }),
    keptContainers: keptContainers(Date.now),
    dir: join(dir, "jobs"),
    now: Date.now,
    logger: log,
    onEngineLost: watch.suspect,
  };
}

/** What git may know of the host's network; the own remote over plain http never goes by a proxy. */
function proxyOf(all: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const names = ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"] as const;
  return Object.fromEntries(
    names.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])),
  );
}
