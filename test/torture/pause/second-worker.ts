import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openSync, closeSync } from "node:fs";
import { PROCESSES } from "../../../src/cli/processes/process-table.ts";
import { realEngine } from "../../support/engine-rig.ts";
import { KEPT_NAME } from "../../support/kept-names.ts";
import { engineApi } from "../../../src/cli/engine-api.ts";
import type { Tatara } from "../../support/start-tatara.ts";

const NAME = "second";
const READY_MS = 90_000;
const END_MS = 15_000;
const DAY_MS = 24 * 3_600_000;

export interface SecondWorker {
  readonly name: string;
  kill(signal: NodeJS.Signals): void;
  /** Ends it and removes what it kept on the engine. */
  end(): Promise<void>;
}

/** Another build worker beside the supervised one: only then can two attempts be alive at once. */
export async function startSecondWorker(tatara: Tatara): Promise<SecondWorker> {
  // The supervisor makes the token; a worker that runs has it in its environment.
  const env = await environmentOf(tatara.supervisor.pidOf("build") ?? 0);
  const log = openSync(join(tatara.dataDir, "log", `${NAME}.log`), "a");
  const worker = spawn(process.execPath, [scriptOf("build")], {
    env: { ...env, TATARA_WORKER_NAME: NAME },
    stdio: ["ignore", "pipe", log],
  });
  closeSync(log);
  await untilReady(worker);
  return {
    name: NAME,
    kill: (signal) => void worker.kill(signal),
    end: async () => {
      worker.kill("SIGCONT");
      worker.kill("SIGTERM");
      const force = setTimeout(() => worker.kill("SIGKILL"), END_MS);
      if (worker.exitCode === null && worker.signalCode === null) await once(worker, "exit");
      clearTimeout(force);
      await removeAll(tatara.dataDir);
    },
  };
}

/** What were done to it before that would be done to a start. */
async function untilReady(worker: ChildProcess): Promise<void> {
  const { stdout } = worker;
  if (stdout === null) return;
  await once(stdout, "data", { signal: AbortSignal.timeout(READY_MS) }).catch((err: unknown) => {
    worker.kill("SIGKILL");
    throw err;
  });
  stdout.resume();
}

export async function workerIdOf(dataDir: string, name: string): Promise<string> {
  return (await readFile(join(dataDir, "worker", name, "id"), "utf8").catch(() => "")).trim();
}

function scriptOf(kind: string): string {
  const spec = PROCESSES.workers.find(({ name }) => name === kind);
  if (spec === undefined) throw new Error(`There is no ${kind} worker.`);
  return spec.script;
}

async function environmentOf(pid: number): Promise<Record<string, string>> {
  const text = await readFile(`/proc/${pid}/environ`, "utf8");
  const pairs = text.split("\0").filter((pair) => pair.includes("="));
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
}

/** A container of a failed step outlives its job on purpose; not its test. */
async function removeAll(dataDir: string): Promise<void> {
  const workerId = await workerIdOf(dataDir, NAME);
  if (workerId === "") return;
  const docker = engineApi("unix:///var/run/docker.sock", AbortSignal.timeout(60_000));
  const later = realEngine({ now: () => Date.now() + DAY_MS });
  for (const name of await docker.labelled(`dev.tatara.worker=${workerId}`)) {
    const [, , jobId, attempt] = KEPT_NAME.exec(name) ?? [];
    if (jobId === undefined) continue;
    await later.removeAllOf({ jobId, attempt: Number(attempt) }, AbortSignal.timeout(60_000));
  }
}
