import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openClock } from "../../src/shared/clock.ts";
import { processEnv, readBuildWorkerConfig } from "../../src/shared/config.ts";
import type { BuildWorkerConfig } from "../../src/shared/config.ts";
import { createLogger } from "../../src/shared/logger.ts";
import type { Logger } from "../../src/shared/logger.ts";
import { openOutbound } from "../../src/shared/outbound.ts";
import { consumeTickets } from "../../src/shared/queues.ts";
import { serverClient } from "../../src/shared/server-client.ts";
import { announceReady } from "../../src/shared/ready.ts";
import { installShutdown } from "../../src/shared/shutdown.ts";
import { startSettings } from "../../src/shared/start-settings.ts";
import { TOPICS, subscribe } from "../../src/shared/topics.ts";
import { openCacheStore } from "./cache/cache-store.ts";
import { openClaims } from "./claims.ts";
import { dockerEngine } from "./docker/docker-engine.ts";
import { engineAddress } from "./engine-address.ts";
import { watchEngine } from "./engine-watch.ts";
import { openGit } from "./source/git.ts";
import { serverRecords } from "./job-record.ts";
import { heldJobs } from "./held-jobs.ts";
import { imageMemory } from "./image-memory.ts";
import { keepRoom } from "./keep-room.ts";
import { keptContainers } from "./kept-containers.ts";
import { builderMemory } from "./package/builder.ts";
import { readPackageScripts } from "./package/scripts.ts";
import { openMirrors } from "./source/mirrors.ts";
import { reapForever } from "./reaper.ts";
import { runJob } from "./run-job.ts";
import type { RunJobDeps } from "./job.ts";
import { tellTroubles } from "./tell-trouble.ts";
import { wakeable } from "./wakeable.ts";
import { spoolBudget } from "./log/spool-budget.ts";
import { askForJobs } from "./resume/ask-for-jobs.ts";
import { attemptOf, readAttempt, readBootId, writeAttempt } from "./resume/attempt-file.ts";
import { crashHistory } from "./resume/crash-history.ts";
import { sayGoodbye } from "./resume/goodbye.ts";
import { openJournal } from "./resume/journal.ts";
import { resumeJob } from "./resume/resume-job.ts";
import { serveShells } from "./shells/serve-shells.ts";
import { readWorkerId } from "./worker-id.ts";
import { lockWorker } from "./worker-lock.ts";

/** A planned stop is over within ten seconds, force included. */
const SHUTDOWN_MS = 9_500;
const JOB_TIMEOUT_MS = 6 * 60 * 60 * 1_000;
const CGROUP_PARENT = "/tatara";
const IMAGE_TTL_MS = 7 * 24 * 60 * 60 * 1_000;

const clock = openClock();
const config = startSettings(readBuildWorkerConfig, { process: "build", now: Date.now });
const logger = createLogger({ process: "build", level: config.logLevel, now: Date.now });
/** SIGTERM is a planned restart: containers run on. Whatever else ends this process hands back. */
let isRestart = false;
// Who is told by a terminal and by its parent does what it was told first.
process.once("SIGTERM", () => (isRestart = !shutdown.signal.aborted));
const shutdown = installShutdown({ logger, deadlineMs: SHUTDOWN_MS });

const dir = join(config.dataDir, "worker", config.workerName || "build");
const lock = await lockWorker(dir, process, shutdown.signal);
shutdown.onClose("lock", lock.release);
const workerId = await readWorkerId(dir, config.workerName);
const client = serverClient({ url: config.serverUrl, token: config.workerToken, logger });
const engine = dockerEngine({
  address: engineAddress(config.dockerHost),
  logger,
  now: clock.earliest,
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
const held = heldJobs({ client, shutdown: handBack.signal, logger, now: clock.now });
const room = keepRoom({
  ...config,
  ...deps,
  now: clock.earliest,
  dir,
  held: held.all,
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
  run: (grant) => held.run(grant, (lease) => runJob(grant, deps, lease)),
  shutdown: shutdown.signal,
  logger,
  random: Math.random,
  onUnannounced: () => consumer.foundUnannounced(),
});

const history = crashHistory(dir, { now: clock.now, logger });
const returned = await askForJobs(
  { client, workerId, jobsDir: deps.dir, bootId, logger },
  shutdown.signal,
);
const isCareful = await history.returned(returned.length);

// Closed in reverse order: first no more tickets, then the jobs that run.
shutdown.onClose("jobs", async () => {
  if (!isRestart) return await held.settled();
  const leases = held.all().map(({ lease }) => lease);
  await sayGoodbye({ client, workerId, leases, unsentBytes: budget.held, history, logger });
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
  onMessage: (jobId) => held.find(jobId)?.lease.beat(),
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
claims.resume(
  returned.map((job) =>
    held.inTurn(job.grant, (lease) => resumeJob(job, lease, { deps, client, ready: watch.ready })),
  ),
  isCareful,
);
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
    isOurs: held.isOurs,
    logger,
  },
  shutdown.signal,
);

async function jobDeps(settings: BuildWorkerConfig, log: Logger): Promise<RunJobDeps> {
  const env = processEnv();
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
    outbound: openOutbound(settings),
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
    caches: openCacheStore({ dir: join(dir, "caches"), now: clock.earliest }),
    keptContainers: keptContainers({
      now: clock.now,
      earlier: (signal) => engine.listKept(workerId, signal),
    }),
    dir: join(dir, "jobs"),
    now: clock.now,
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
