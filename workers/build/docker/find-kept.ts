import type Dockerode from "dockerode";
import { DEADLINE_MS, call } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { removeContainer } from "./container.ts";
import { LABEL, keptUntil } from "./names.ts";
import { openShell } from "./shell.ts";
import type { KeptDeps } from "./shell.ts";
import type { KeptContainer, KeptUntil, Owner } from "../engine.ts";

export async function findKept(
  deps: KeptDeps,
  { jobId, attempt, step }: Omit<Owner, "workerId">,
  signal: AbortSignal,
): Promise<KeptContainer | undefined> {
  const label = [`${LABEL.job}=${jobId}`, `${LABEL.attempt}=${attempt}`, `${LABEL.step}=${step}`];
  for (const { Id: id, Names: names } of await containersWith(deps, label, signal)) {
    const until = names.map(keptUntil).find((at) => at !== undefined && at > deps.now());
    if (until === undefined) continue;
    return { id, until, openShell: (wish, how) => openShell(deps, { id, until }, wish, how) };
  }
  return undefined;
}

/** Of one worker, oldest first. */
export async function listKept(
  deps: DockerDeps,
  workerId: string,
  signal: AbortSignal,
): Promise<readonly KeptUntil[]> {
  const found = await containersWith(deps, [`${LABEL.worker}=${workerId}`], signal);
  const kept = found.flatMap(({ Id, Names }) => {
    const until = Names.map(keptUntil).find((at) => at !== undefined);
    const remove = (limit: AbortSignal): Promise<void> =>
      removeContainer(deps.docker.getContainer(Id), limit);
    return until === undefined ? [] : [{ until, remove }];
  });
  return kept.toSorted((a, b) => a.until - b.until);
}

async function containersWith(
  { docker }: DockerDeps,
  label: string[],
  signal: AbortSignal,
): Promise<readonly Dockerode.ContainerInfo[]> {
  return await call(
    { doing: "list containers", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => docker.listContainers({ all: true, filters: { label }, abortSignal }),
  );
}
