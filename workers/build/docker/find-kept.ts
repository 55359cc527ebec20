import { DEADLINE_MS, call } from "./client.ts";
import { LABEL, keptUntil } from "./names.ts";
import { openShell } from "./shell.ts";
import type { KeptDeps } from "./shell.ts";
import type { KeptContainer, Owner } from "../engine.ts";

export async function findKept(
  deps: KeptDeps,
  { jobId, attempt, step }: Omit<Owner, "workerId">,
  signal: AbortSignal,
): Promise<KeptContainer | undefined> {
  const label = [`${LABEL.job}=${jobId}`, `${LABEL.attempt}=${attempt}`, `${LABEL.step}=${step}`];
  const found = await call(
    { doing: "list containers", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => deps.docker.listContainers({ all: true, filters: { label }, abortSignal }),
  );
  for (const { Id: id, Names: names } of found) {
    const until = names.map(keptUntil).find((at) => at !== undefined && at > deps.now());
    if (until === undefined) continue;
    return { id, until, openShell: (wish, how) => openShell(deps, { id, until }, wish, how) };
  }
  return undefined;
}
