import { statfs } from "node:fs/promises";
import type Dockerode from "dockerode";
import { DEADLINE_MS, call } from "./client.ts";
import type { DockerDeps, EngineAddress } from "./client.ts";
import { writtenByContainer } from "./disk.ts";
import { LABEL } from "./names.ts";

export interface FreeRoomDeps extends DockerDeps {
  readonly address: EngineAddress;
}

/** Free bytes where the engine keeps its data; undefined: its disk is not this machine's to see. */
export async function freeRoom(
  { docker, address }: FreeRoomDeps,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (!("socketPath" in address)) return undefined;
  const options = { doing: "describe itself", deadlineMs: DEADLINE_MS.quick, signal };
  const info = (await call(options, () => docker.info())) as { readonly DockerRootDir?: string };
  return await statfs(info.DockerRootDir ?? "").then(
    ({ bavail, bsize }) => bavail * bsize,
    () => undefined,
  );
}

/** What each running attempt of a worker has written so far, as `<job>-<attempt>` → bytes. */
export async function writtenByAttempts(
  deps: DockerDeps,
  workerId: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const label = [`${LABEL.worker}=${workerId}`];
  const containers = await call(
    { doing: "list containers", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => deps.docker.listContainers({ filters: { label }, abortSignal }),
  );
  const sizes = new Map<string, number>();
  const measured = containers.map(async ({ Id, Labels }) => {
    const container = deps.docker.getContainer(Id);
    const bytes = await sizeOf(deps, container, signal);
    const attempt = `${Labels[LABEL.job] ?? ""}-${Labels[LABEL.attempt] ?? ""}`;
    sizes.set(attempt, (sizes.get(attempt) ?? 0) + bytes);
  });
  await Promise.all(measured);
  return sizes;
}

/** One that ended meanwhile has written nothing that matters. */
async function sizeOf(
  deps: DockerDeps,
  container: Dockerode.Container,
  signal: AbortSignal,
): Promise<number> {
  return await writtenByContainer(deps, container, signal).catch(() => 0);
}
