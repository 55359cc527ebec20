import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Stopped } from "../../src/domain/stop.ts";
import type { BuildGrant } from "../../src/shared/build-messages.ts";
import type { Logger } from "../../src/shared/logger.ts";
import { openOutbound } from "../../src/shared/outbound.ts";
import { serverClient } from "../../src/shared/server-client.ts";
import { openCacheStore } from "../../workers/build/cache/cache-store.ts";
import type { ContainerLimits, Engine } from "../../workers/build/engine.ts";
import { openGit } from "../../workers/build/source/git.ts";
import { serverRecords } from "../../workers/build/job-record.ts";
import { imageMemory } from "../../workers/build/image-memory.ts";
import { keptContainers } from "../../workers/build/kept-containers.ts";
import { holdLease } from "../../workers/build/lease.ts";
import { builderMemory } from "../../workers/build/package/builder.ts";
import { readPackageScripts } from "../../workers/build/package/scripts.ts";
import { openMirrors } from "../../workers/build/source/mirrors.ts";
import { runJob } from "../../workers/build/run-job.ts";
import type { RunJobDeps } from "../../workers/build/job.ts";
import { spoolBudget } from "../../workers/build/log/spool-budget.ts";
import { aGrant, startBuildServer } from "./build-server.ts";
import type { BuildServer, Told } from "./build-server.ts";
import { createRepo } from "./git-host.ts";
import type { Files, ForgeRepo } from "./git-host.ts";
import { startGitHttp } from "./git-http.ts";
import type { GitHttp } from "./git-http.ts";
import type { PushToTell } from "./github-deliveries.ts";

export const LIMITS: ContainerLimits = {
  memoryBytes: 512 * 2 ** 20,
  cpus: 2,
  pids: 256,
  diskBytes: 0,
  timeoutMs: 240_000,
  idleTimeoutMs: 240_000,
};

/** A build worker's job runner with a real git host, and a server that keeps what it is told. */
export interface BuildRig extends AsyncDisposable {
  readonly server: BuildServer;
  readonly git: GitHttp;
  readonly dir: string;
  /** Errors and warnings of the operator's log. */
  readonly complaints: string[];
  repo(files: Files): Promise<ForgeRepo>;
  grantFor(push: PushToTell, changes?: Partial<BuildGrant>): BuildGrant;
  /** Runs an attempt to its end, removal included. */
  run(grant: BuildGrant): Promise<Told>;
  /** As SIGTERM to the worker. */
  stopWorker(): void;
  /** Files of jobs that are still on the worker's disk. */
  filesOfJobs(): Promise<readonly string[]>;
}

export async function startBuildRig(
  engine: Engine,
  changes: Partial<Pick<RunJobDeps, "limits" | "baseImage" | "jobTimeoutMs" | "openJournal">> & {
    readonly heartbeatMs?: number;
    /** Folder of repos that outlive the rig. */
    readonly gitDir?: string;
  } = {},
): Promise<BuildRig> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-build-"));
  const { gitDir = dir } = changes;
  const git = await startGitHttp(gitDir);
  const server = await startBuildServer();
  const client = serverClient({ url: server.url, token: server.token });
  const shutdown = new AbortController();
  const complaints: string[] = [];
  const gitDoor = openGit({ path: process.env["PATH"] ?? "" });
  const logger = complainingLogger(complaints);
  const deps: RunJobDeps = {
    openRecord: serverRecords({ client, budget: spoolBudget() }),
    engine,
    outbound: openOutbound({ internalHosts: [] }),
    git: gitDoor,
    mirrors: openMirrors({ dir: join(dir, "mirrors"), git: gitDoor, httpPrefixes: [git.url] }),
    images: imageMemory(),
    workerId: "worker-under-test",
    baseImage: changes.baseImage ?? "tatara/base:latest",
    targets: [],
    yumSources: [],
    serverUrl: server.url,
    limits: changes.limits ?? LIMITS,
    jobTimeoutMs: changes.jobTimeoutMs ?? 600_000,
    ...(changes.openJournal === undefined ? {} : { openJournal: changes.openJournal }),
    packageScripts: await readPackageScripts(),
    verifyScript: "",
    builders: builderMemory(),
    caches: openCacheStore({ dir: join(dir, "caches"), now: Date.now }),
    keptContainers: keptContainers({ now: Date.now, earlier: async () => [] }),
    dir: join(dir, "jobs"),
    now: Date.now,
    logger,
    onEngineLost: () => void complaints.push("engine lost"),
  };
  let repos = 0;

  return {
    server,
    git,
    dir,
    complaints,
    repo: (files) => createRepo(gitDir, `acme/hello-${(repos += 1)}`, { files }),
    grantFor: (push, more = {}) => {
      const url = `${git.url}/${push.repo}.git`;
      return { ...aGrant({ url, sha: push.sha ?? push.after, ref: push.ref }), ...more };
    },
    run: async (grant) => {
      const { heartbeatMs = 5_000 } = changes;
      const options = { client, shutdown: shutdown.signal, logger, heartbeatMs };
      const lease = holdLease(grant, options);
      try {
        await runJob(grant, deps, lease);
      } finally {
        lease.close();
      }
      return server.told(grant.jobId);
    },
    stopWorker: () => shutdown.abort(new Stopped("shutdown")),
    filesOfJobs: () => readdir(deps.dir).catch(() => []),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await git[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function complainingLogger(complaints: string[]): Logger {
  const logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (_fields, message) => void complaints.push(message),
    error: (fields, message) => void complaints.push(`${message} ${String(fields["err"])}`),
    child: () => logger,
  };
  return logger;
}
