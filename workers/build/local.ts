import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { InfraFault } from "../../src/domain/faults.ts";
import { Stopped } from "../../src/domain/stop.ts";
import { processEnv, readLocalRunConfig } from "../../src/shared/config.ts";
import { localRequest } from "../../src/shared/local-messages.ts";
import type { LocalMessage, LocalRequest } from "../../src/shared/local-messages.ts";
import { createLogger } from "../../src/shared/logger.ts";
import { openCacheStore } from "./cache/cache-store.ts";
import { dockerEngine } from "./docker/docker-engine.ts";
import { engineAddress } from "./engine-address.ts";
import { imageMemory } from "./image-memory.ts";
import type { RunJobDeps } from "./job.ts";
import { localMirrors } from "./local/local-mirrors.ts";
import { openLocalFiles } from "./local/local-record.ts";
import { localWorkerId, reapDeadRuns } from "./local/reap-dead-runs.ts";
import { runLocal } from "./local/run-local.ts";
import { builderMemory } from "./package/builder.ts";
import { readPackageScripts } from "./package/scripts.ts";
import { openGit } from "./source/git.ts";

/**
 * The runner behind `tatara run`: a worker's own code on the Docker of this machine, without a server.
 * It reads one request from stdin and says what happens on stdout, as lines of JSON. The end of stdin
 * means stop: whoever started it is gone.
 */
const JOB_TIMEOUT_MS = 6 * 60 * 60 * 1_000;
const IMAGE_TTL_MS = 7 * 24 * 60 * 60 * 1_000;
const CGROUP_PARENT = "/tatara";

const stop = new AbortController();
const end = (): void => stop.abort(new Stopped("cancelled"));
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, end);

const env = processEnv();
const config = readLocalRunConfig(env);
const logger = createLogger({ process: "run", level: config.logLevel, now: Date.now });
const engine = dockerEngine({
  address: engineAddress(config.dockerHost),
  logger,
  now: Date.now,
  cgroupParent: CGROUP_PARENT,
  buildLimits: { memoryBytes: config.stepMemoryBytes, cpus: config.stepCpus },
  imageTtlMs: IMAGE_TTL_MS,
  mirrorProxy: config.mirrorProxy ?? null,
});

const tell = (message: LocalMessage): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};
// The reader is gone, and so is the reason to go on.
process.stdout.on("error", end);

for await (const line of createInterface({ input: process.stdin })) {
  void work(localRequest.parse(JSON.parse(line)));
}
end();

async function work(request: LocalRequest): Promise<void> {
  try {
    const away = await whyAway();
    if (away !== undefined) return tell({ kind: "refused", ...away });
    await reapDeadRuns(engine, { host: hostname(), isRunning, logger }, stop.signal);
    const { defaultTarget, targets } = config;
    await runLocal(
      request,
      {
        job: await jobDeps(request),
        files: openLocalFiles(join(request.dir, "files")),
        tell,
        newId: () => randomBytes(8).toString("hex"),
        defaultTarget,
        targets: targets.map(({ target }) => target),
      },
      stop.signal,
    );
  } catch (err) {
    const reason = err instanceof Error ? err.message : String(err);
    const state = stop.signal.aborted ? "cancelled" : "errored";
    if (state === "errored") logger.error({ err }, "Run broke off");
    tell({ kind: "end", state, reason, failure: null });
  } finally {
    process.stdout.write("", () => process.exit(0));
  }
}

async function whyAway(): Promise<{ message: string; hint: string } | undefined> {
  try {
    await engine.ping(stop.signal);
    return undefined;
  } catch (err) {
    if (!(err instanceof InfraFault)) throw err;
    const message = `Docker does not answer at ${config.dockerHost}: ${err.message}`;
    return { message, hint: "start it, or set DOCKER_HOST to where it listens" };
  }
}

async function jobDeps(request: LocalRequest): Promise<Omit<RunJobDeps, "openRecord">> {
  return {
    engine,
    // Who runs it may name what is near: it is their own machine.
    outbound: undefined,
    git: openGit({ path: env["PATH"] ?? "/usr/bin:/bin", proxy: {} }),
    mirrors: localMirrors(request.gitDir),
    images: imageMemory(),
    workerId: localWorkerId(hostname(), process.pid),
    baseImage: config.baseImage,
    targets: config.targets,
    yumSources: config.yumSources,
    serverUrl: request.serverUrl ?? "",
    limits: {
      memoryBytes: config.stepMemoryBytes,
      cpus: config.stepCpus,
      pids: config.stepPids,
      timeoutMs: config.stepTimeoutMs,
      idleTimeoutMs: config.idleTimeoutMs,
      diskBytes: config.stepDiskBytes,
    },
    jobTimeoutMs: JOB_TIMEOUT_MS,
    packageScripts: await readPackageScripts(),
    verifyScript: await readFile(new URL("./steps/verify.sh", import.meta.url), "utf8"),
    builders: builderMemory(),
    caches: openCacheStore({ dir: join(request.cacheDir, "caches"), now: Date.now }),
    // A run leaves nothing: who wants to look around starts it again with another command.
    keptContainers: { keep: () => Promise.resolve(null), hasAny: () => false },
    dir: join(request.dir, "jobs"),
    now: Date.now,
    logger,
    onEngineLost: () => undefined,
  };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (err) {
    // There is one, but it is somebody else's.
    return err instanceof Error && "code" in err && err.code === "EPERM";
  }
}
