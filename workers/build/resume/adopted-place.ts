import type { JobRecord } from "../job-record.ts";
import type { TestPlace } from "../prepare.ts";
import type { StepServices } from "../step-services.ts";
import type { AdoptedTest } from "./job-memory.ts";

const STOP_TIMEOUT_MS = 30_000;

/** What is around a test that went on while its worker was away: as it was when it was begun. */
export function adoptedPlace({ opened, container }: AdoptedTest): TestPlace {
  const { restored } = opened;
  const found = restored?.makingMs == null ? undefined : { entry: { makingMs: restored.makingMs } };
  return {
    container,
    ownerStep: opened.ownerStep,
    image: opened.image,
    network: opened.network,
    limits: opened.limits,
    warnings: [],
    // The engine tells the files that it changed only by those that made its workspace.
    openChanges: () => Promise.resolve(undefined),
    restored: restored && { line: restored.line, reuse: restored.reuse, found },
    openGate: () => Promise.resolve(),
    user: opened.user,
  };
}

/** Its output from where its log left off, and that of its services. */
export async function followAdopted(
  { opened, container, services }: AdoptedTest,
  record: Pick<JobRecord, "log">,
  signal: AbortSignal,
): Promise<void> {
  for (const service of services) {
    const log = record.log(`${opened.step}~${service.name}`);
    await service.follow(log.write, log.from, signal);
  }
  const log = record.log(opened.step);
  await container.follow(log.write, log.from, signal);
}

/** Those that an earlier life started; they are ended as any others are. */
export function adoptedServices(
  { services }: AdoptedTest,
  onLeft: (err: unknown, name: string) => void,
): StepServices {
  return {
    failure: undefined,
    stop: async () => {
      const limit = AbortSignal.timeout(STOP_TIMEOUT_MS);
      await Promise.all(
        services.map((service) =>
          service.stop(limit).catch((err: unknown) => onLeft(err, service.name)),
        ),
      );
    },
  };
}
