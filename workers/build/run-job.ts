import { join } from "node:path";
import { UserFault } from "../../src/domain/faults.ts";
import type { Pipeline } from "../../src/domain/pipeline.ts";
import { Stopped } from "../../src/domain/stop.ts";
import type { BuildGrant } from "../../src/shared/build-messages.ts";
import type { Commit } from "./source/commit.ts";
import type { NetworkHandle } from "./engine.ts";
import {
  endFailed,
  endPassed,
  endingOf,
  handBackAtShutdown,
  leaveNothing,
  tellEnding,
} from "./job-ending.ts";
import type { Ending } from "./job-ending.ts";
import type { FailedStep } from "./job-steps.ts";
import { begin, openJob, ownerOf } from "./job.ts";
import type { Job, RunJobDeps } from "./job.ts";
import type { Lease } from "./lease.ts";
import { readErrata } from "./source/read-errata.ts";
import { planJob } from "./source/plan-job.ts";
import { TESTS_AT_ONCE_MAX, prepareContainers } from "./prepare.ts";
import type { Packaging, Prepared } from "./prepare.ts";
import { checkOut } from "./steps/checkout.ts";
import type { StepLog } from "./log/step-log.ts";
import { makeImage } from "./steps/image.ts";
import { makePackages } from "./steps/package.ts";
import { runTest } from "./steps/test.ts";

/** Runs one attempt of a job, tells the server how it ended, and leaves nothing behind. */
export async function runJob(grant: BuildGrant, deps: RunJobDeps, lease: Lease): Promise<void> {
  const job = openJob(grant, deps, lease);
  const logger = deps.logger.child({ jobId: grant.jobId, attempt: grant.lease.attempt });
  const limit = setTimeout(() => job.stop.abort(overTime(deps)), deps.jobTimeoutMs);
  try {
    const work = begin(job, runSteps(job));
    const ending = await Promise.race([endingOf(job, work), handBackAtShutdown(lease.signal)]);
    await tellEnding(job, ending);
    logger.info({ ending: ending.how }, "Attempt ended");
  } catch (err) {
    // Nobody is left to be told: the lease is lost, or the server refuses this attempt's words.
    logger[err instanceof Stopped ? "warn" : "error"]({ err }, "Attempt given up");
  } finally {
    clearTimeout(limit);
    await leaveNothing(job, lease, logger);
  }
}

/** The step that it stops, and with it the job, ends as if it had thrown this itself. */
function overTime({ jobTimeoutMs }: RunJobDeps): UserFault {
  const hours = Math.round(jobTimeoutMs / 360_000) / 10;
  return new UserFault("STEP_TIMEOUT", `The job ran longer than ${hours} h.`, {
    hint: "Make its steps faster, or split the repo's pipeline.",
  });
}

/** The steps in order; the first that fails ends the job. What can be made early is. */
async function runSteps(job: Job): Promise<Ending> {
  const network = openNetwork(job);
  const checkout = await runCheckout(job);
  if (checkout.state === "failed") return failed(job, checkout, undefined);
  const { commit } = checkout;

  const plan = await readPlan(job, commit);
  if ("how" in plan) return plan;
  const ingredients = { pipeline: plan, commit, network };

  // While the image is built, the containers start in the one that the last builds had.
  const expected = job.deps.images.expected(imageName(job, plan));
  const early =
    expected && prepareContainers(job, { ...ingredients, image: expected, isSecond: false });
  const made = await runImage(job, plan, commit);
  if (made.state === "failed") return failed(job, made, commit);
  const { image } = made;
  const prepared =
    early?.image.id === image.id
      ? early
      : prepareContainers(job, { ...ingredients, image, isSecond: early !== undefined });

  // rpmbuild works beside the tests. Until they have passed nobody sees it, and if they fail it is
  // dropped with its container, so that it looks as if it had never begun.
  const ahead = prepared.packaging && begin(job, startAhead(job, prepared.packaging));
  const failedTest = await runTests(job, plan, prepared);
  if (failedTest) return failed(job, failedTest, commit);
  if (ahead === undefined) return endPassed([]);

  const packages = await runPackage(job, ahead);
  if (packages.state === "failed") return failed(job, packages, commit);
  const { target } = job.grant;
  const built = packages.files.map(({ fileName, sha256, sizeBytes }) => {
    return { fileName, sha256, sizeBytes, target };
  });
  return endPassed(built, await readErrata(commit, job.signal));
}

function openNetwork(job: Job): Promise<NetworkHandle> | undefined {
  const { plan } = job.grant;
  if (plan !== null && plan.tests.length === 0) return undefined;
  return begin(job, job.deps.engine.createNetwork(ownerOf(job, "NETWORK"), job.signal));
}

async function runCheckout({ grant, deps, steps, signal }: Job) {
  return await steps.run("checkout", async ({ say }) => {
    return { state: "passed", commit: await checkOut(grant, { ...deps, say }, signal) } as const;
  });
}

/** The recorded plan; where there is none yet, the commit's own, which is recorded now. */
async function readPlan(
  { grant, record, signal }: Job,
  commit: Commit,
): Promise<Pipeline | Ending> {
  if (grant.plan !== null) return grant.plan;
  const plan = await planJob(commit, signal);
  if (plan.kind === "invalid") return endFailed(plan.failure);
  await record.plan(plan.message);
  return plan.kind === "nothing-to-do" ? { how: "told" } : plan.pipeline;
}

async function runImage(job: Job, plan: Pipeline, commit: Commit) {
  const { engine, baseImage, images } = job.deps;
  const owner = ownerOf(job, "image");
  const cacheName = job.grant.build.repo;
  const outcome = await job.steps.run("image", ({ say, write }) =>
    makeImage(plan.image, commit, { engine, baseImage, owner, cacheName, say, write }, job.signal),
  );
  if (outcome.state === "passed") images.remember(imageName(job, plan), outcome.image);
  return outcome;
}

function imageName({ grant }: Job, { image }: Pipeline): string {
  return `${grant.build.repo} ${JSON.stringify(image)}`;
}

/** Runs the tests side by side, all of them to their end; the first of the file that failed counts. */
async function runTests(
  job: Job,
  { tests }: Pipeline,
  prepared: Prepared,
): Promise<FailedStep | undefined> {
  const outcomes = await inParallel(job, tests, (test) =>
    job.steps.run(test.name, async () => {
      const container = await prepared.test(test);
      return await runTest(test, container, job.deps.limits, job.signal);
    }),
  );
  return outcomes.find((outcome) => outcome.state === "failed");
}

/** A few at a time. What one of them throws stops the others, and is thrown once all have ended. */
async function inParallel<T, R>(
  job: Job,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results = new Map<number, R>();
  const queue = items.entries();
  const lane = async (): Promise<void> => {
    for (const [index, item] of queue) results.set(index, await work(item));
  };
  const lanes = Array.from({ length: TESTS_AT_ONCE_MAX }, () =>
    lane().catch((err: unknown) => {
      job.stop.abort(err);
      throw err;
    }),
  );
  await Promise.allSettled(lanes);
  job.signal.throwIfAborted();
  return [...results].toSorted(([a], [b]) => a - b).map(([, result]) => result);
}

interface StartedPackaging extends Packaging {
  readonly startedAt: number;
}

async function startAhead(job: Job, packaging: Promise<Packaging>): Promise<StartedPackaging> {
  const prepared = await packaging;
  const startedAt = job.deps.now();
  await prepared.container.openGate(job.signal);
  return { ...prepared, startedAt };
}

async function runPackage(job: Job, ahead: Promise<StartedPackaging>) {
  const body = async (log: StepLog) => {
    const { container, facts, output } = await ahead;
    output.release();
    const options = {
      dir: join(job.dir, "rpms"),
      log: { say: log.say, read: () => log.tail().text },
      limits: job.deps.limits,
    };
    const outcome = await makePackages(container, facts, options, job.signal);
    if (outcome.state === "passed") await Promise.all(outcome.files.map(job.record.upload));
    return outcome;
  };
  // What went wrong ahead is told by the step itself.
  const started = await ahead.catch(() => undefined);
  return await job.steps.run("package", body, started?.startedAt);
}

function failed({ steps }: Job, step: FailedStep, commit: Commit | undefined): Ending {
  return endFailed(steps.card(step, commit));
}
