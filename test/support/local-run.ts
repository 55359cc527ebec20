import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { localWorkerId } from "../../workers/build/local/reap-dead-runs.ts";
import { realEngine } from "./engine-rig.ts";
import { tataraAt } from "./run-tatara.ts";

/** The command line without any server. */
export const tataraAlone = tataraAt({ url: "http://127.0.0.1:9", adminToken: "" });

/** What a person's shell hands on. */
export function shellEnv(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const names = ["PATH", "TMPDIR", "DOCKER_HOST"] as const;
  const own = names.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(own), HOME: "/nonexistent", ...more };
}

/** What runs that have ended left on this machine's engine; others may run beside us. */
export async function leftByRuns(): Promise<readonly string[]> {
  const found = await realEngine().listLeftovers(AbortSignal.timeout(30_000));
  return found.flatMap(({ kind, id, workerId = "" }) => {
    const pid = Number(/-(\d+)$/.exec(workerId)?.[1]);
    if (workerId !== localWorkerId(hostname(), pid) || isRunning(pid)) return [];
    return [`${kind} ${id} of ${workerId}`];
  });
}

/** Containers of a run that this process has started, and that goes on; others may run beside us. */
export async function containersOfOwnRun(): Promise<number> {
  const found = await realEngine().listLeftovers(AbortSignal.timeout(60_000));
  const workers = found.flatMap(({ kind, workerId }) => (kind === "container" ? workerId : []));
  const parents = workers.map((worker) => parentOf(Number(/-(\d+)$/.exec(worker ?? "")?.[1])));
  return (await Promise.all(parents)).filter((parent) => parent === process.pid).length;
}

async function parentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
