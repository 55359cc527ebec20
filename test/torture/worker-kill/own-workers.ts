import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Tatara } from "../../support/start-tatara.ts";

const PROGRAM = join(import.meta.dirname, "../../../workers/build/main.ts");
const END_MS = 15_000;
const BIRTH_EVERY_MS = 10;

/** A build worker that a suite may kill. */
export interface Victim {
  readonly name: string;
  /** Its name on jobs; undefined while it is dead, or has never been ready. */
  readonly id: () => string | undefined;
  readonly kill: () => void;
}

/** A build worker beside the supervised one, that stays dead until it is started again. */
export interface OwnWorker extends Victim {
  start(): void;
  /** Ends it as an operator does; it must not be there any more when its Tatara ends. */
  stop(): Promise<void>;
}

/** Tells it apart by its name; it gets what the supervised worker was given, token included. */
export async function ownWorker(tatara: Tatara, name: string): Promise<OwnWorker> {
  const env = { ...(await environmentOfWorker(tatara)), TATARA_WORKER_NAME: name };
  let child: ChildProcess | undefined;
  const start = (): void => {
    const log = openSync(join(tatara.dataDir, "log", `${name}.log`), "a");
    const spawned = spawn(process.execPath, [PROGRAM], { env, stdio: ["ignore", log, log] });
    closeSync(log);
    child = spawned;
    spawned.once("exit", () => {
      if (child === spawned) child = undefined;
    });
  };
  start();
  return {
    name,
    id: () => (child === undefined ? undefined : workerId(tatara, name)),
    kill: () => {
      child?.kill("SIGKILL");
      child = undefined;
    },
    start,
    stop: async () => {
      const last = child;
      if (last === undefined) return;
      const timer = setTimeout(() => last.kill("SIGKILL"), END_MS);
      const ended = once(last, "exit");
      last.kill("SIGTERM");
      await ended.finally(() => clearTimeout(timer));
    },
  };
}

/** The one that its supervisor starts again at once. */
export function supervisedWorker(tatara: Tatara): Victim {
  // Its supervisor hears of its end a little later.
  let killed: number | undefined;
  const pid = (): number | undefined => {
    const found = tatara.supervisor.pidOf("build");
    return found === killed ? undefined : found;
  };
  return {
    name: "test",
    id: () => (pid() === undefined ? undefined : workerId(tatara, "test")),
    kill: () => {
      killed = pid();
      tatara.kill("build");
    },
  };
}

async function environmentOfWorker(tatara: Tatara): Promise<Record<string, string>> {
  let pid = tatara.supervisor.pidOf("build");
  for (; pid === undefined; pid = tatara.supervisor.pidOf("build")) await delay(BIRTH_EVERY_MS);
  const text = await readFile(`/proc/${pid}/environ`, "utf8");
  const pairs = text.split("\0").filter((pair) => pair.includes("="));
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function workerId(tatara: Tatara, name: string): string | undefined {
  try {
    return readFileSync(join(tatara.dataDir, "worker", name, "id"), "utf8").trim();
  } catch {
    return undefined;
  }
}
