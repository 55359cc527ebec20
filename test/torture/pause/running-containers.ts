import { request } from "node:http";
import { json } from "node:stream/consumers";
import type { IncomingMessage } from "node:http";

const SOCKET = "/var/run/docker.sock";
const ASK_MS = 20_000;

/** A container that runs now, and whose it is. */
export interface RunningContainer {
  readonly name: string;
  readonly jobId: string;
  readonly attempt: number;
}

/** Read past the worker: what runs on the engine under its label. */
export async function runningContainers(workerId: string): Promise<readonly RunningContainer[]> {
  const filters = { label: [`dev.tatara.worker=${workerId}`], status: ["running"] };
  const path = `/containers/json?filters=${encodeURIComponent(JSON.stringify(filters))}`;
  const found = (await ask(path)) as readonly {
    readonly Names: readonly string[];
    readonly Labels: Readonly<Record<string, string | undefined>>;
  }[];
  return found.map(({ Names, Labels }) => ({
    name: String(Names),
    jobId: Labels["dev.tatara.job"] ?? "",
    attempt: Number(Labels["dev.tatara.attempt"]),
  }));
}

async function ask(path: string): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const signal = AbortSignal.timeout(ASK_MS);
  request({ socketPath: SOCKET, path, signal }, resolve).once("error", reject).end();
  return await json(await promise);
}
