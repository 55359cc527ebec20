import type { BuildGrant } from "../../../src/shared/build-messages.ts";
import { InfraFault } from "../../../src/domain/faults.ts";
import type { Logger } from "../../../src/shared/logger.ts";
import type { AdoptedService, Engine, Leftover, Owner } from "../engine.ts";
import { isLogOf, logPath } from "../job-record.ts";
import { endedLog, recoverLog } from "../log/recover-log.ts";
import type { RecoveredLog } from "../log/step-log.ts";
import type { ReturnedJob } from "./ask-for-jobs.ts";
import type { AdoptedTest, JobMemory } from "./job-memory.ts";
import type { OpenedTest } from "./journal.ts";

export interface RememberDeps {
  readonly engine: Engine;
  readonly workerId: string;
  readonly logger: Logger;
}

/**
 * What an attempt goes on from: tests that were let go are found again with their services, everything
 * else of it is removed from the engine and starts over. Throws an `InfraFault` when what is there does
 * not fit together, for then nobody can tell how the attempt would have ended.
 */
export async function rememberJob(
  deps: RememberDeps,
  { grant, dir, life, story, logs: sizes }: ReturnedJob,
  signal: AbortSignal,
): Promise<JobMemory> {
  const ended = new Map([...story.ended].filter(([, { message }]) => isSettled(message.state)));
  const adopted = new Map<string, AdoptedTest>();
  for (const opened of story.opened.values()) {
    if (ended.has(opened.step)) continue;
    const found = await adopt(deps, grant, opened, signal);
    if (found !== undefined) adopted.set(opened.step, found);
  }
  await removeOthers(deps, grant, [...adopted.values()], signal);

  const containers = new Map([...adopted.values()].flatMap(containersOf));
  const logs = new Map<string, RecoveredLog>();
  for (const [name, sentBytes] of Object.entries(sizes)) {
    const path = logPath(dir, name);
    const isEnded = [...ended.keys()].some((step) => isLogOf(step, name));
    const log = isEnded
      ? await endedLog(path, sentBytes)
      : await recoverLog(path, { sentBytes, container: containers.get(name) });
    if (log === undefined) {
      throw new InfraFault(
        "INTERNAL",
        `The log of ${name} does not fit what the server has of it.`,
      );
    }
    logs.set(name, log);
  }
  deps.logger.info(
    { jobId: grant.jobId, life, ended: [...ended.keys()], adopted: [...adopted.keys()] },
    "Job resumed after a restart of its worker",
  );
  return { life, ended, adopted, logs };
}

/** An error of ours ends no step for good: it is done again. */
function isSettled(state: string): boolean {
  return state === "passed" || state === "failed" || state === "skipped";
}

/** A test without one of its services is no test that could go on. */
async function adopt(
  { engine, workerId }: RememberDeps,
  { jobId, lease }: BuildGrant,
  opened: OpenedTest,
  signal: AbortSignal,
): Promise<AdoptedTest | undefined> {
  const { ownerStep, step, containerId, limits, openedAt } = opened;
  const ownerOf = (name: string): Owner => ({
    workerId,
    jobId,
    attempt: lease.attempt,
    step: name,
  });
  const spec = { owner: ownerOf(ownerStep), containerId, limits, openedAt };
  const container = await engine.adoptContainer(spec, signal);
  if (container === undefined) return undefined;
  const services: AdoptedService[] = [];
  for (const name of opened.services) {
    const service = await engine.adoptService(ownerOf(`${step}~${name}`), { name }, signal);
    if (service === undefined) return undefined;
    services.push(service);
  }
  return { opened, container, services };
}

function containersOf({ opened, container, services }: AdoptedTest): readonly [string, string][] {
  const beside = services.map(({ name, id }): [string, string] => [`${opened.step}~${name}`, id]);
  return [[opened.step, container.id], ...beside];
}

/** A volume or network is free only once the containers that use it are gone. */
const KINDS = ["container", "volume", "network"] as const satisfies readonly Leftover["kind"][];

async function removeOthers(
  { engine, logger }: RememberDeps,
  { jobId, lease }: BuildGrant,
  adopted: readonly AdoptedTest[],
  signal: AbortSignal,
): Promise<void> {
  const used = new Set(
    adopted.flatMap(({ container, services }) => [
      container.id,
      ...container.uses,
      ...services.map(({ id }) => id),
    ]),
  );
  const found = (await engine.listLeftovers(signal)).filter(
    (one) => one.jobId === jobId && one.attempt === lease.attempt && !used.has(one.id),
  );
  for (const kind of KINDS) {
    const removals = found
      .filter((one) => one.kind === kind)
      .map((one) =>
        engine.removeLeftover(one, signal).catch((err: unknown) => {
          signal.throwIfAborted();
          // Its name may be needed again, and then it is replaced; else it goes with the attempt.
          logger.warn({ err, kind, id: one.id }, "Leftover of an earlier life not removed");
        }),
      );
    await Promise.all(removals);
  }
}
