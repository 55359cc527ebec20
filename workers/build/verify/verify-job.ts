import type { JobSpec, PlannedVerify } from "../../../src/domain/job-spec.ts";
import type { VerifyFacts } from "../../../src/shared/build-messages.ts";
import type { Image, NetworkHandle } from "../engine.ts";
import { endFailed, endPassed } from "../job-ending.ts";
import type { Ending } from "../job-ending.ts";
import type { JobNetworks } from "../job-networks.ts";
import type { FailedStep } from "../job-steps.ts";
import { begin, ownerOf } from "../job.ts";
import type { Job } from "../job.ts";
import { verifyPackages } from "../steps/verify.ts";
import { openYumFiles } from "./yum-relay.ts";
import type { YumRelay } from "./yum-relay.ts";

/** Tries the build's signed packages in clean containers of the job's target, one step after the other. */
export async function runVerifyJob(
  job: Job,
  spec: JobSpec,
  networks: JobNetworks,
): Promise<Ending> {
  const { deps, grant, signal } = job;
  const facts = grant.verify;
  if (facts === null) throw new Error("The server did not say what to verify.");
  // Like a host, the container may fetch what the packages require from wherever its image says.
  const [image, network] = await Promise.all([
    hostImage(job, spec.target),
    begin(job, networks.own("verify", "internet")),
  ]);
  await using yum = await openYumFiles(network, deps.serverUrl);
  const failed: FailedStep[] = [];
  for (const rule of spec.verify) {
    const outcome = await runVerify(job, { spec, rule, facts, image, network, yum });
    if (outcome.state === "failed") failed.push(outcome);
  }
  signal.throwIfAborted();
  const [first, ...others] = failed;
  if (first === undefined) return endPassed([]);
  return endFailed(job.steps.card([first, ...others], { planned: spec.steps }));
}

interface Trial {
  readonly spec: JobSpec;
  readonly rule: PlannedVerify;
  readonly facts: VerifyFacts;
  readonly image: Image;
  readonly network: NetworkHandle;
  readonly yum: YumRelay;
}

async function runVerify(job: Job, { spec, rule, facts, image, network, yum }: Trial) {
  const { deps, signal } = job;
  return await job.steps.run(rule.step, ({ say, write, tail }) =>
    verifyPackages(
      { rule, facts, target: spec.target },
      {
        engine: deps.engine,
        owner: ownerOf(job, rule.step),
        image,
        network,
        yum,
        yumSources: deps.yumSources,
        limits: deps.limits,
        script: deps.verifyScript,
        log: { say, write, read: () => tail().text },
      },
      signal,
    ),
  );
}

/** The image that the operator named for the target, else the server's own. */
async function hostImage({ deps, signal }: Job, target: string): Promise<Image> {
  const named = deps.targets.find((each) => each.target === target);
  return await deps.engine.findImage(named?.image ?? deps.baseImage, signal);
}
