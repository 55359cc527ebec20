import type { JobSpec, PlannedTest } from "../../src/domain/job-spec.ts";
import type { Service } from "../../src/domain/pipeline.ts";
import type { StepFailure } from "../../src/domain/step.ts";
import type { NetworkHandle, RunningService } from "./engine.ts";
import { ownerOf } from "./job.ts";
import type { Job } from "./job.ts";
import type { JobImages } from "./job-images.ts";
import { directNames } from "./job-networks.ts";
import { inMinutes } from "./step-limits.ts";

const STOP_TIMEOUT_MS = 30_000;

export interface StepServices {
  /** Why the step cannot run; undefined: all are ready. */
  readonly failure: StepFailure | undefined;
  /** Removes all that were started, whatever happens to the attempt. */
  stop(): Promise<void>;
}

/** Starts what a test's `services` name, each with a log of its own, and waits until all are ready. */
export async function startServices(
  job: Job,
  { spec, images }: { readonly spec: JobSpec; readonly images: JobImages },
  test: PlannedTest,
  network: NetworkHandle | "none",
): Promise<StepServices> {
  const services = spec.services.filter(({ name }) => test.services.includes(name));
  const running: RunningService[] = [];
  const stop = async (): Promise<void> => {
    // A limit of its own: the job's signal may be why they stop.
    const limit = AbortSignal.timeout(STOP_TIMEOUT_MS);
    await Promise.all(
      running.splice(0).map((service) =>
        service.stop(limit).catch((err: unknown) => {
          const { name } = service;
          job.deps.logger.warn({ err, service: name }, "Service left for the reaper");
        }),
      ),
    );
  };
  if (network === "none" || services.length === 0) return { failure: undefined, stop };

  // One that is not ready fails the step: nobody waits for the others then.
  const enough = new AbortController();
  const signal = AbortSignal.any([job.signal, enough.signal]);
  const outcomes: (StepFailure | { readonly err: unknown })[] = [];
  await Promise.all(
    services.map(async (service) => {
      try {
        const start = await startOne(job, { images, network, test }, service, signal);
        if (start.kind === "ready") return void running.push(start.service);
        outcomes.push(notReady(service, start));
      } catch (err) {
        outcomes.push({ err });
      }
      enough.abort(new Error("Another service of the step is not ready."));
    }),
  );
  const [first] = outcomes;
  if (first === undefined || !("err" in first)) return { failure: first, stop };
  await stop();
  throw first.err;
}

async function startOne(
  job: Job,
  {
    images,
    network,
    test,
  }: {
    readonly images: JobImages;
    readonly network: NetworkHandle;
    readonly test: PlannedTest;
  },
  service: Service,
  signal: AbortSignal,
) {
  const { name, command, env, ready, readyTimeoutMs } = service;
  const { engine, limits } = job.deps;
  const log = job.record.log(`${test.step}~${name}`);
  const image = await images.forService(service.image, log);
  const spec = {
    owner: ownerOf(job, `${test.step}~${name}`),
    name,
    image,
    command,
    env: { ...directNames(network, test.services), ...env },
    ready,
    readyTimeoutMs,
    network,
    cpus: Math.min(service.cpus, limits.cpus),
    memoryBytes: Math.min(service.memoryBytes, limits.memoryBytes),
    onOutput: log.write,
  };
  return await engine.startService(spec, signal);
}

function notReady(
  { name, readyTimeoutMs }: Service,
  { why, lastLines }: { readonly why: string; readonly lastLines: string },
): StepFailure {
  const lines = lastLines.trimEnd().split("\n").slice(-20).join("\n");
  const said = lines === "" ? "" : `\n${lines}`;
  return {
    code: "SERVICE_NOT_READY",
    message: `${name} was not ready after ${inMinutes(readyTimeoutMs)}: ${why}${said}`,
    hint: "Raise `ready-timeout`, or see the service's log.",
    file: null,
    line: null,
    exitCode: null,
  };
}
