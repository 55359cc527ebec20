import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { InfraFault, UserFault } from "../../src/domain/faults.ts";
import { failureCard } from "../../src/domain/failure-card.ts";
import type { Pipeline } from "../../src/domain/pipeline.ts";
import { distFor, versionOfTag } from "../../src/domain/rpm-version.ts";
import { Stopped, stopReason } from "../../src/domain/stop.ts";
import type { Logger } from "../../src/shared/logger.ts";
import type { BuildGrant, EndMessage, FaultMessage } from "../../src/shared/protocol.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";
import type { Commit } from "./commit.ts";
import type { ContainerLimits, Engine, Image, NetworkHandle, Owner } from "./engine.ts";
import type { Git } from "./git.ts";
import { openJobRecord } from "./job-record.ts";
import type { JobRecord } from "./job-record.ts";
import { jobSteps } from "./job-steps.ts";
import type { FailedStep, JobSteps } from "./job-steps.ts";
import type { Lease } from "./lease.ts";
import type { Mirrors } from "./mirrors.ts";
import { planJob } from "./plan-job.ts";
import type { SpoolBudget } from "./spool.ts";
import { stepEnvironment } from "./step-environment.ts";
import { checkOut } from "./steps/checkout.ts";
import { makeImage } from "./steps/image.ts";
import { hasRpmbuild, makePackages, preparePackage } from "./steps/package.ts";
import type { PackageDeps, PackageFacts } from "./steps/package.ts";
import { runTest } from "./steps/test.ts";
import { repack } from "./tree-tar.ts";

export const TESTS_AT_ONCE_MAX = 4;
const REMOVE_TIMEOUT_MS = 60_000;
/** How long a planned stop waits for containers to end politely; in all it has ten seconds. */
const SHUTDOWN_GRACE_MS = 3_000;
const SHUTDOWN_REMOVE_MS = 5_000;

export interface RunJobDeps {
  readonly client: ServerClient;
  readonly engine: Engine;
  readonly git: Git;
  readonly mirrors: Mirrors;
  readonly budget: SpoolBudget;
  readonly workerId: string;
  readonly baseImage: string;
  readonly limits: ContainerLimits;
  /** Text of steps/package.sh. */
  readonly packageScript: string;
  /** Folder for the files of jobs while they run. */
  readonly dir: string;
  readonly now: () => number;
  readonly logger: Logger;
  /** Called when the engine did not answer, so that nothing more is claimed before it does. */
  readonly onEngineLost: () => void;
}

/** How an attempt ends, as the server is told. */
type Ending =
  | { readonly how: "end"; readonly message: EndMessage }
  | { readonly how: "fault"; readonly message: FaultMessage }
  /** The plan itself said that there is nothing to do; or a newer attempt owns the job. */
  | { readonly how: "told" | "hand-back" };

/** All that the parts of one attempt share. */
interface Job {
  readonly grant: BuildGrant;
  readonly deps: RunJobDeps;
  readonly record: JobRecord;
  readonly steps: JobSteps;
  /** Of everything that works for this attempt. */
  readonly signal: AbortSignal;
  readonly stop: AbortController;
  readonly dir: string;
  /** What was begun early and may still be under way when the attempt ends. */
  readonly begun: Set<Promise<unknown>>;
}

/** Runs one attempt of a job, tells the server how it ended, and leaves nothing behind. */
export async function runJob(grant: BuildGrant, deps: RunJobDeps, lease: Lease): Promise<void> {
  const job = openJob(grant, deps, lease);
  const logger = deps.logger.child({ jobId: grant.jobId, attempt: grant.lease.attempt });
  try {
    const work = begin(job, runSteps(job));
    const ending = await Promise.race([settle(job, work), handBackAtShutdown(lease.signal)]);
    await tell(job, ending);
    logger.info({ ending: ending.how }, "Attempt ended");
  } catch (err) {
    // Nobody is left to be told: the lease is lost, or the server refuses this attempt's words.
    const isOurs = !(err instanceof Stopped);
    logger[isOurs ? "error" : "warn"]({ err }, "Attempt given up");
  } finally {
    await leaveNothing(job, lease, logger);
  }
}

function openJob(grant: BuildGrant, deps: RunJobDeps, lease: Lease): Job {
  const dir = join(deps.dir, `${grant.jobId}-${grant.lease.attempt}`);
  const { client, budget, now } = deps;
  const record = openJobRecord(grant, { client, lease, budget, dir });
  const stop = new AbortController();
  return {
    grant,
    deps,
    record,
    steps: jobSteps({ record, lease, now }),
    signal: AbortSignal.any([lease.signal, stop.signal]),
    stop,
    dir,
    begun: new Set(),
  };
}

/** The steps in order; the first that fails ends the job. */
async function runSteps(job: Job): Promise<Ending> {
  const { grant, deps, record, steps, signal } = job;
  const network = begin(job, openNetwork(job));

  const checkout = await steps.run("checkout", async ({ say }) => {
    return { state: "passed", commit: await checkOut(grant, { ...deps, say }, signal) } as const;
  });
  if (checkout.state === "failed") return failed(job, checkout, undefined);
  const { commit } = checkout;

  const plan = await readPlan(job, commit);
  if (plan.kind === "ended") return plan.ending;
  const { pipeline } = plan;

  const image = await steps.run("image", ({ say, write }) =>
    makeImage(pipeline.image, commit, { ...imageDeps(job), say, write }, signal),
  );
  if (image.state === "failed") return failed(job, image, commit);

  // Its container starts while the tests run, and waits for them.
  const packaging = preparePackaging(job, { pipeline, commit, image: image.image });
  const failedTest = await runTests(job, { pipeline, commit, image: image.image, network });
  if (failedTest) return failed(job, failedTest, commit);
  if (packaging === undefined) return passed([]);

  const packages = await steps.run("package", async (log) => {
    const { container, facts } = await packaging;
    const readLog = () => log.tail().text;
    const options = { dir: join(job.dir, "rpms"), readLog, limits: deps.limits };
    const outcome = await makePackages(container, facts, options, signal);
    if (outcome.state === "passed") await Promise.all(outcome.files.map(record.upload));
    return outcome;
  });
  if (packages.state === "failed") return failed(job, packages, commit);
  return passed(
    packages.files.map(({ fileName, sha256, sizeBytes }) => {
      return { fileName, sha256, sizeBytes, target: grant.target };
    }),
  );
}

function openNetwork({ grant, deps, signal }: Job): Promise<NetworkHandle> | undefined {
  const mayTest = grant.plan === null || grant.plan.tests.length > 0;
  return mayTest
    ? deps.engine.createNetwork(ownerOf({ grant, deps }, "network"), signal)
    : undefined;
}

/** The recorded plan; where there is none yet, the commit's own, which is recorded now. */
async function readPlan(
  { grant, record, signal }: Job,
  commit: Commit,
): Promise<{ kind: "plan"; pipeline: Pipeline } | { kind: "ended"; ending: Ending }> {
  if (grant.plan !== null) return { kind: "plan", pipeline: grant.plan };
  const plan = await planJob(commit, signal);
  if (plan.kind === "invalid") return { kind: "ended", ending: endFailed(plan.failure) };
  await record.plan(plan.message);
  if (plan.kind === "nothing-to-do") return { kind: "ended", ending: { how: "told" } };
  return plan;
}

function imageDeps({ grant, deps }: Job) {
  const { engine, baseImage } = deps;
  return {
    engine,
    baseImage,
    owner: ownerOf({ grant, deps }, "image"),
    cacheName: grant.build.repo,
  };
}

interface Ready {
  readonly pipeline: Pipeline;
  readonly commit: Commit;
  readonly image: Image;
}

/** Runs the tests side by side, all of them to their end; the first of the file that failed counts. */
async function runTests(
  job: Job,
  ready: Ready & { readonly network: Promise<NetworkHandle | undefined> },
): Promise<FailedStep | undefined> {
  const { deps, grant, signal } = job;
  const { tests } = ready.pipeline;
  if (tests.length === 0) return undefined;
  const [network, workspace] = await Promise.all([ready.network, openWorkspace(job, ready)]);
  if (network === undefined) throw new Error("The job has tests and no network.");

  const outcomes = await inParallel(job, tests, (test) => {
    const container = {
      owner: ownerOf(job, test.name),
      image: ready.image,
      env: environment(job, ready.commit, { step: test.name, home: workspace.home }),
      workingDir: WORKSPACE,
      volumes: { [workspace.volumeFor(test.name)]: WORKSPACE },
      network,
      privilege: "test",
      limits: deps.limits,
      gate: false,
    } as const;
    return job.steps.run(test.name, ({ write }) =>
      runTest(test, { engine: deps.engine, container, write }, signal),
    );
  });
  deps.logger.debug({ jobId: grant.jobId, tests: tests.length }, "Tests ended");
  return outcomes.find((outcome) => outcome.state === "failed");
}

const WORKSPACE = "/workspace";

function openWorkspace(job: Job, { pipeline, commit, image }: Ready) {
  const { engine } = job.deps;
  const options = {
    owner: ownerOf(job, "workspace"),
    image,
    tree: (owner: { uid: number; gid: number }) => repack(commit.openTree(job.signal), owner),
    steps: pipeline.tests.map(({ name }) => name),
  };
  return engine.createWorkspace(options, job.signal);
}

function environment(
  { grant }: Job,
  commit: Commit,
  { step, home, workspace = WORKSPACE }: { step: string; home: string; workspace?: string },
) {
  const { build, target } = grant;
  const { sha, committedAtSeconds } = commit;
  return stepEnvironment({ build, target, sha, committedAtSeconds, step, home, workspace });
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
  const ends = await Promise.allSettled(lanes);
  for (const end of ends) if (end.status === "rejected") throw job.signal.reason ?? end.reason;
  return [...results.entries()].toSorted(([a], [b]) => a - b).map(([, result]) => result);
}

function preparePackaging(job: Job, ready: Ready) {
  const { spec } = ready.pipeline;
  return spec === null ? undefined : begin(job, openPackaging(job, ready, spec));
}

async function openPackaging(job: Job, { commit, image }: Ready, spec: string) {
  const { deps, signal } = job;
  const packageDeps: PackageDeps = {
    engine: deps.engine,
    owner: ownerOf(job, "package"),
    env: environment(job, commit, { step: "package", home: "/tatara/home", workspace: "" }),
    limits: deps.limits,
    script: deps.packageScript,
    write: job.record.log("package").write,
  };
  const facts = packageFacts(job, commit, spec);
  const probe = { ...packageDeps, owner: ownerOf(job, "package-probe") };
  const builder = (await hasRpmbuild(image, probe, signal))
    ? image
    : await deps.engine.findImage(deps.baseImage, signal);
  return { container: await preparePackage(facts, builder, packageDeps, signal), facts };
}

function packageFacts({ grant }: Job, commit: Commit, spec: string): PackageFacts {
  const distOn = (versionTagOnCommit: boolean) =>
    distFor({
      target: grant.target,
      versionTagOnCommit,
      commitCount: commit.count,
      sha: commit.sha,
    });
  const tagVersions = commit.tags.map(versionOfTag).filter((version) => version !== undefined);
  return { spec, commit, dist: distOn(false), distWhenTagged: distOn(true), tagVersions };
}

/** Begins work whose result is needed later, or never: the attempt's end waits for it all the same. */
function begin<T>(job: Job, work: Promise<T> | T): Promise<T> {
  const promise = Promise.resolve(work);
  job.begun.add(promise);
  // Whoever needs the result hears of the error; nobody else does.
  promise.catch(() => undefined);
  return promise;
}

function ownerOf({ grant, deps }: Pick<Job, "grant" | "deps">, step: string): Owner {
  const { jobId, lease } = grant;
  return { workerId: deps.workerId, jobId, attempt: lease.attempt, step };
}

function passed(packages: EndMessage["packages"]): Ending {
  return { how: "end", message: { state: "passed", reason: null, failure: null, packages } };
}

function failed({ steps }: Job, step: FailedStep, commit: Commit | undefined): Ending {
  return endFailed(steps.card(step, commit));
}

function endFailed(failure: NonNullable<EndMessage["failure"]>): Ending {
  const reason = failure.title;
  return { how: "end", message: { state: "failed", reason, failure, packages: [] } };
}

/** Which kind of end an error is. */
async function settle(job: Job, work: Promise<Ending>): Promise<Ending> {
  try {
    return await work;
  } catch (err) {
    const reason = stopReason(job.signal) ?? (err instanceof Stopped ? err.reason : undefined);
    if (reason === "cancelled") {
      const message = { state: "cancelled", reason, failure: null, packages: [] } as const;
      return { how: "end", message: { ...message, packages: [] } };
    }
    if (reason === "shutdown") return { how: "hand-back" };
    if (reason === "lease-lost") throw err;
    // Outside of a step only the server says so, of the plan.
    if (err instanceof UserFault) return endFailed(failureCard({ step: null, fault: err }));
    return { how: "fault", message: faultOf(job, err) };
  }
}

function faultOf({ steps, deps, grant }: Job, err: unknown): FaultMessage {
  const step = steps.broken();
  if (err instanceof InfraFault)
    return { code: err.code, message: err.message.slice(0, 4_000), step };
  deps.logger.error({ err, jobId: grant.jobId, step }, "A bug ended an attempt");
  const message = err instanceof Error ? err.message : String(err);
  return { code: "INTERNAL", message: message.slice(0, 4_000), step };
}

/** A planned stop does not wait for steps: another attempt starts them anew. */
async function handBackAtShutdown(signal: AbortSignal): Promise<Ending> {
  return await new Promise((resolve) => {
    const onAbort = () => {
      if (stopReason(signal) === "shutdown") resolve({ how: "hand-back" });
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

async function tell({ record }: Job, ending: Ending): Promise<void> {
  if (ending.how === "end") await record.end(ending.message);
  else if (ending.how === "fault") await record.fault(ending.message);
  else if (ending.how === "hand-back") await record.handBack();
}

/** Removal has deadlines of its own: the job's signal may be why we remove. */
async function leaveNothing(job: Job, lease: Lease, logger: Logger): Promise<void> {
  const isShutdown = stopReason(lease.signal) === "shutdown";
  if (!job.signal.aborted) job.stop.abort(new Error("The attempt has ended."));
  const begun = Promise.allSettled(job.begun);
  // What is still being made must be there before it can be removed.
  if (isShutdown) await Promise.race([begun, delay(SHUTDOWN_GRACE_MS)]);
  else await begun;

  const { jobId } = job.grant;
  const { attempt } = job.grant.lease;
  const limit = AbortSignal.timeout(isShutdown ? SHUTDOWN_REMOVE_MS : REMOVE_TIMEOUT_MS);
  await job.deps.engine.removeAllOf({ jobId, attempt }, limit).catch((err: unknown) => {
    logger.warn({ err }, "Left on the engine for the reaper");
  });
  await job.record.close();
  await rm(job.dir, { recursive: true, force: true });
}
