import { join } from "node:path";
import { UserFault } from "../../src/domain/faults.ts";
import type { PlannedTest } from "../../src/domain/job-spec.ts";
import type { StepFailure } from "../../src/domain/step.ts";
import type { TestResult } from "../../src/shared/build-messages.ts";
import type { BuildJob } from "./job-parts.ts";
import { containerFailure } from "./container-failure.ts";
import type { FailedStep, StepNotes } from "./job-steps.ts";
import { mirrorsMissing } from "./job-networks.ts";
import { begin } from "./job.ts";
import type { Job } from "./job.ts";
import { isKeptAfter } from "./keep/job-kept.ts";
import { takeKept } from "./keep/take-kept.ts";
import { uploadKept } from "./keep/upload-kept.ts";
import type { StepLog } from "./log/step-log.ts";
import { WORKSPACE } from "./prepare.ts";
import type { Prepared, TestPlace } from "./prepare.ts";
import { tellReports } from "./step-reports.ts";
import type { EndedTest } from "./step-reports.ts";
import { readableSecrets } from "./secrets.ts";
import { startServices } from "./step-services.ts";
import { adoptedPlace, adoptedServices, followAdopted } from "./resume/adopted-place.ts";
import type { StepMemo } from "./resume/journal.ts";
import { runTest } from "./steps/test.ts";
import { saveFor } from "./test-cache.ts";

const NETWORK_REMOVE_MS = 30_000;
const RESUMED = "Its worker was restarted meanwhile; the step went on.";

type TestOutcome =
  | {
      readonly state: "passed";
      readonly note: string | null;
      readonly later?: Promise<unknown>;
      readonly endedAt?: number | undefined;
      readonly memo?: StepMemo | undefined;
    }
  | {
      readonly state: "failed";
      readonly failure: StepFailure;
      /** Of its reports, those that failed. */
      readonly tests?: readonly TestResult[];
    };

/**
 * The step of one test, with everything around its command. `goOn` is called when what needs it may
 * begin, unless that is not before the step's end.
 */
export async function runTestStep(
  build: BuildJob,
  test: PlannedTest,
  { openRoom, goOn }: { readonly openRoom: () => Promise<Prepared>; readonly goOn: () => void },
): Promise<{ readonly state: "passed" } | FailedStep> {
  const { job } = build;
  const adopted = job.memory.adopted.get(test.step);
  const startedAt = adopted?.opened.startedAt ?? job.deps.now();
  const body = async (log: StepLog, notes: StepNotes): Promise<TestOutcome> => {
    if (test.run === null) return { state: "passed", note: "its image was built" };
    const place = adopted ? adoptedPlace(adopted) : await (await openRoom()).test(test);
    const warnings = [...place.warnings, ...(adopted ? [RESUMED] : [])];
    notes.add({ memoryLimitBytes: place.limits.memoryBytes, warnings, image: place.image.id });
    return await runInPlace(build, { test, place, log, notes, startedAt }, goOn);
  };
  const again = async ({ kept = [] }: StepMemo) => {
    build.kept.add(test.step, kept);
    for (const { sizeBytes } of kept) build.kept.budget.take(sizeBytes);
    return { state: "passed", note: null } as const;
  };
  const options = { isAllowedToFail: test.allowFailure, startedAt, again };
  return await job.steps.run(test.step, body, options);
}

/** A test in its container, and when its step began. */
interface BegunTest extends EndedTest {
  readonly startedAt: number;
}

async function runInPlace(build: BuildJob, run: BegunTest, goOn: () => void): Promise<TestOutcome> {
  const { job } = build;
  const { test, place, log, notes } = run;
  sayBefore(run);
  const adopted = job.memory.adopted.get(test.step);
  const services = adopted
    ? adoptedServices(adopted, (err, service) => warn(job, { err, test }, `${service} is left`))
    : await startServices(job, build, test, place.network);
  const startedAt = adopted?.opened.openedAt ?? job.deps.now();
  const startedMs = performance.now() - (job.deps.now() - startedAt);
  try {
    if (services.failure) {
      log.say(`tatara: ${services.failure.message}`);
      return { state: "failed", failure: services.failure };
    }
    let passedAt: number | undefined;
    let tookMs: number | undefined;
    const onPassed = (): void => {
      passedAt = job.deps.now();
      tookMs = performance.now() - startedMs;
      // What it keeps is for those that need it, so they wait for that.
      if (test.keep === null) goOn();
    };
    await letGo(job, run, startedAt);
    const end = await runTest(place.container, onPassed, job.signal);
    tookMs ??= performance.now() - startedMs;
    const failure = containerFailure(test.step, end, place.limits);
    const exitCode = end.how === "exited" ? end.code : null;
    notes.add({ exitCode, memoryPeakBytes: place.container.memoryPeakBytes() });
    if (failure) {
      return { state: "failed", failure, tests: await afterFailure(build, run, startedAt) };
    }
    // The next steps wait for what it keeps, and for nothing else.
    await keepFiles(build, run, true);
    const later = begin(job, afterPass(build, run, { tookMs, startedAt }));
    const memo = { kept: [...build.kept.of([test.step])] };
    return { state: "passed", note: null, later, endedAt: passedAt, memo };
  } finally {
    await services.stop();
    if (test.services.length > 0) void begin(job, removeNetwork(job, place));
  }
}

/** Before its container's output, so not again when that goes on. */
function sayBefore({ test, place, log, notes }: BegunTest): void {
  const isBegun = log.from !== undefined;
  if (place.restored) {
    if (!isBegun) log.say(place.restored.line);
    notes.add({ reuse: place.restored.reuse });
  }
  const noMirrors = mirrorsMissing(place.network);
  if (noMirrors !== undefined && !isBegun) log.say(noMirrors);
  if (test.services.length > 0) notes.add({ services: [...test.services] });
}

/** The test runs from here on, also if this worker should end; or it does so already. */
async function letGo(job: Job, run: BegunTest, openedAt: number): Promise<void> {
  const { test, place } = run;
  const adopted = job.memory.adopted.get(test.step);
  if (adopted !== undefined) return await followAdopted(adopted, job.record, job.signal);
  await place.openGate(job.signal);
  const { ownerStep, image, network, limits, user, restored } = place;
  const cache = restored && {
    line: restored.line,
    reuse: restored.reuse,
    makingMs: restored.found?.entry.makingMs ?? null,
  };
  await job.journal.opened({
    step: test.step,
    ownerStep,
    containerId: place.container.id,
    openedAt,
    startedAt: run.startedAt,
    image: { ...image, env: [...image.env] },
    network,
    limits,
    services: network === "none" ? [] : [...test.services],
    secrets: readableSecrets(job.grant, test.secrets).map(({ name }) => name),
    user,
    restored: cache ?? null,
  });
}

/** What a test that has passed leaves beside what it keeps: its reports and its cache. */
async function afterPass(
  build: BuildJob,
  run: EndedTest,
  { tookMs, startedAt }: { readonly tookMs: number; readonly startedAt: number },
): Promise<void> {
  const { test, place, log, notes } = run;
  const reports = tellReports(build, run, { hasPassed: true, startedAt });
  // Reports never decide; that there are none must not cost the cache.
  await reports.catch((err: unknown) => {
    warn(build.job, { err, test }, "Reports not read");
    notes.add({ warnings: ["The engine did not give its reports."] });
  });
  const line = await saveFor(build, test, { ...place, key: test.image }, tookMs);
  if (line !== undefined) log.say(line);
}

/** What a test that failed leaves: its reports, files that it keeps then, its container. */
async function afterFailure(
  build: BuildJob,
  run: EndedTest,
  startedAt: number,
): Promise<readonly TestResult[]> {
  const { job } = build;
  const { test, place, log, notes } = run;
  const tests = await tellReports(build, run, { hasPassed: false, startedAt });
  await keepFiles(build, run, false).catch((err: unknown) => {
    if (!(err instanceof UserFault)) throw err;
    // Why the test failed is what its author needs to hear first.
    log.say(`tatara: ${err.message}`);
    notes.add({ warnings: [err.message] });
  });
  const shellUntil = await job.deps.keptContainers
    .keep(place.container, job.signal)
    .catch((err: unknown) => {
      warn(job, { err, test }, "Failed step's container not kept");
      return null;
    });
  notes.add({ shellUntil });
  return tests;
}

function warn(
  job: Job,
  { err, test }: { readonly err: unknown; readonly test: PlannedTest },
  message: string,
): void {
  job.signal.throwIfAborted();
  job.deps.logger.warn({ err, step: test.step }, message);
}

async function keepFiles(build: BuildJob, run: EndedTest, hasPassed: boolean): Promise<void> {
  const { job, kept } = build;
  const { test, place, log, notes } = run;
  if (test.keep === null || !isKeptAfter(test.keep, hasPassed)) return;
  const options = {
    patterns: test.keep.files,
    workspace: WORKSPACE,
    dir: join(job.dir, "kept", test.step),
    budget: kept.budget,
  };
  const taken = await takeKept(place.container, options, job.signal);
  const { files } = taken;
  kept.add(test.step, files);
  for (const line of taken.notes) log.say(`tatara: ${line}`);
  if (files.length === 0) {
    const nothing = `keep: no file matches ${test.keep.files.join(", ")}`;
    log.say(`tatara: ${nothing}`);
    notes.add({ warnings: [nothing] });
  } else log.say(`tatara: keeping ${files.length} ${files.length === 1 ? "file" : "files"}`);
  await uploadKept(files, job.record);
  job.record.kept(test.step, {
    files: files.map(({ path, sizeBytes, sha256, isExecutable }) => {
      return { path, sizeBytes, sha256, isExecutable };
    }),
    expiresMs: test.keep.expiresMs,
    notes: [...taken.notes],
  });
}

/** An engine has few networks to give. */
async function removeNetwork({ deps, grant }: Job, { network }: TestPlace): Promise<void> {
  if (network === "none") return;
  const { jobId, lease } = grant;
  const { workerId } = deps;
  const owner = { workerId, jobId, attempt: lease.attempt, createdAt: 0 };
  const limit = AbortSignal.timeout(NETWORK_REMOVE_MS);
  // What cannot be removed now goes with everything else of the attempt.
  await deps.engine
    .removeLeftover({ kind: "network", id: network.id, ...owner }, limit)
    .catch(() => undefined);
}
