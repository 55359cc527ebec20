import { json, raw, Router, type Request, type Response } from "express";
import { LEASE_MS } from "../../domain/attempt.ts";
import { UserFault } from "../../domain/faults.ts";
import type { ServerNames } from "../../domain/pipeline.ts";
import { nearSpelling } from "../../domain/near-spelling.ts";
import { isDiskFault } from "../../shared/disk-errors.ts";
import { failpoint } from "../../shared/failpoints.ts";
import {
  claimRequest,
  faultMessage,
  goodbyeRequest,
  startedRequest,
  troubleMessage,
} from "../../shared/worker-messages.ts";
import {
  endMessage,
  planMessage,
  stepMessage,
  type PlanMessage,
} from "../../shared/build-messages.ts";
import { PATHS } from "../../shared/protocol.ts";
import { logName, stepName, type Refusal } from "../../shared/message-parts.ts";
import type { ArtifactFiles } from "../artifact-files.ts";
import type { DiskAlarm } from "../disk-alarm.ts";
import type { OpenLogFiles } from "../logs.ts";
import { allTargetsOf } from "../server-names.ts";
import { handBackJob, reportFault } from "../store/attempts.ts";
import { namedChannels } from "../store/build-grants.ts";
import { findBuild } from "../store/builds.ts";
import { claimJob, endJob, recordStep } from "../store/jobs.ts";
import { leasedJob, liveAttempts, renewLease } from "../store/leases.ts";
import { recordPlan, type RecordedPlan } from "../store/plans.ts";
import { noteGoodbye, returnWorker } from "../store/resume.ts";
import type { BuildRow, JobRow } from "../store/schema.ts";
import { noteWorker, speaksWithUs } from "../store/workers.ts";
import type { Store } from "../store/store.ts";
import type { Superseder } from "../superseder.ts";
import type { Live } from "../views.ts";
import type { WorkerRoll } from "../worker-roll.ts";
import { grantAgain, grantFirst, type GrantDeps } from "./grants.ts";
import { answerOrStale, leaseTokenOf, onlyWorkers } from "./worker-auth.ts";

const LOG_CHUNK_MAX = "1mb";
const MESSAGE_MAX = "4mb";
/** The file itself, the pipeline it became, and 10,000 changed files of several projects. */
const PLAN_MAX = "32mb";

export interface BuildRoutesDeps extends GrantDeps {
  readonly live: Live;
  readonly logs: OpenLogFiles;
  readonly artifacts: ArtifactFiles;
  readonly disk: Pick<DiskAlarm, "noteWorker">;
  readonly roll: WorkerRoll;
  readonly token: string;
  readonly newToken: () => string;
  readonly newId: (prefix: string) => string;
  readonly superseder: Superseder;
  /** False while the disk is too full for another build. */
  readonly hasRoom: () => Promise<boolean>;
}

/** The build workers' half of the protocol. Every write is fenced by the lease's token. */
export function buildRoutes(deps: BuildRoutesDeps): Router {
  const router = Router();
  router.use(BASE, onlyWorkers(deps.token));
  addClaimRoutes(router, deps);
  addProgressRoutes(router, deps);
  addEndRoutes(router, deps);
  return router;
}

const BASE = "/worker/v1/build";
const JOB = `${BASE}/jobs/:id`;
const STEP = `${JOB}/steps/:step`;

/** What a worker asks before it has a lease. */
function addClaimRoutes(router: Router, deps: BuildRoutesDeps): void {
  const { store, announcer } = deps;

  router.post(PATHS.buildStarted(), json({ limit: MESSAGE_MAX }), async (request, response) => {
    const { worker, held } = startedRequest.parse(request.body);
    const { changes, resumed } = await store.write((tx) => returnWorker(tx, worker, held));
    changes.forEach(announcer.announce);
    resumed.forEach(({ build }) => announcer.announce({ buildId: build.id }));
    const grants = await Promise.all(resumed.map((one) => grantAgain(deps, one, request)));
    response.json({ resumed: grants.flat() });
  });

  router.post(PATHS.buildGoodbye(), json(), async (request, response) => {
    const { worker } = goodbyeRequest.parse(request.body);
    const jobs = await store.write((tx) => noteGoodbye(tx, worker));
    deps.logger.info({ worker, jobs }, "A worker says that it will be back");
    response.json({});
  });

  router.post(PATHS.buildClaim(), json(), async (request, response) => {
    const claim = claimRequest.parse(request.body);
    const { worker, protocol, arch } = claim;
    if (!speaksWithUs(protocol)) {
      await store.write((tx) => noteWorker(tx, "build", claim));
      response.status(426).json({ error: "This worker is of another version: upgrade it." });
      return;
    }
    deps.roll.seen(worker, arch ?? undefined);
    if (!(await deps.hasRoom())) return void response.status(204).end();
    const token = deps.newToken();
    const claimer = { arch: arch ?? undefined };
    const granted = await store.write(async (tx) => {
      const { mayClaim } = await noteWorker(tx, "build", claim);
      deps.roll.seen(worker, arch ?? undefined, mayClaim);
      return mayClaim ? await claimJob(tx, worker, token, claimer) : undefined;
    });
    if (granted === undefined) return void response.status(204).end();
    await failpoint("claim.after-commit");
    announcer.announce({ buildId: granted.build.id, statusId: granted.statusId });
    response.json(await grantFirst(deps, granted, token, request));
  });

  router.post(PATHS.buildTrouble(), json(), (request, response) => {
    const { worker, trouble } = troubleMessage.parse(request.body);
    deps.roll.trouble(worker, trouble);
    response.json({});
  });

  router.get(PATHS.liveAttempts(), async (_request, response) => {
    response.json({ attempts: await liveAttempts(store) });
  });
}

/** What it says while the job runs. */
function addProgressRoutes(router: Router, deps: BuildRoutesDeps): void {
  const { store, announcer } = deps;
  router.post(`${JOB}/heartbeat`, async (request, response) => {
    const { id } = request.params;
    const answer = await store.write((tx) => renewLease(tx, id, leaseTokenOf(request)));
    // Who has no slot free asks for no work, and is alive all the same.
    if (answer?.worker != null) deps.roll.seen(answer.worker);
    answerOrStale(response, answer && { leaseMs: LEASE_MS, cancel: answer.cancel });
  });

  router.post(`${JOB}/plan`, json({ limit: PLAN_MAX }), async (request, response) => {
    const plan = planMessage.parse(request.body);
    const leased = await leaseOf(deps, request);
    const build = leased && (await findBuild(store, leased.buildId));
    if (leased === undefined || build === undefined) return answerOrStale(response, undefined);
    const planned = await takePlan(deps, { job: leased, build }, plan, leaseTokenOf(request));
    if (planned !== undefined && "refusal" in planned) {
      return void response.status(422).json(planned.refusal);
    }
    if (planned !== undefined) {
      await failpoint("plan.after-commit");
      announcer.announce(planned.changed);
      void deps.superseder.consider(build.id);
    }
    answerOrStale(response, planned?.answer);
  });

  // Its warnings may be the words of a program, each character six bytes of JSON.
  router.post(STEP, json({ limit: MESSAGE_MAX }), async (request, response) => {
    const message = stepMessage.parse(request.body);
    const { id, step } = request.params;
    const token = leaseTokenOf(request);
    const name = stepName.parse(step);
    const changed = await store.write((tx) => recordStep(tx, { jobId: id, token }, name, message));
    await failpoint("step.after-commit");
    if (changed !== undefined) announcer.announce(changed);
    answerOrStale(response, changed && {});
  });

  const chunk = raw({ type: "*/*", limit: LOG_CHUNK_MAX });
  router.post(`${STEP}/log`, chunk, async (request, response) => {
    const leased = await leaseOf(deps, request);
    if (leased === undefined) return answerOrStale(response, undefined);
    const { id: jobId, buildId, attempt } = leased;
    const log = { buildId, jobId, attempt, step: logName.parse(request.params.step) };
    const offset = Number(request.query["offset"]);
    if (!Number.isSafeInteger(offset) || offset < 0) return void response.status(400).end();
    const bytes: unknown = request.body;
    await failpoint("log.before-append");
    const answer = await deps.logs.append(
      log,
      offset,
      Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0),
    );
    await failpoint("log.after-append");
    if (answer.kind === "acknowledged") deps.live.logGrew(log, answer.upToBytes);
    response.json(answer);
  });

  router.put(`${JOB}/artifacts/:sha256`, async (request, response) => {
    if ((await leaseOf(deps, request)) === undefined) return answerOrStale(response, undefined);
    await failpoint("artifact.before-store");
    const verdict = await deps.artifacts.store(request.params.sha256, request, deps.newId);
    await failpoint("artifact.after-store");
    if (verdict === "stored") response.status(201).json({});
    else response.status(verdict === "mismatch" ? 400 : 413).json({ error: verdict });
  });
}

/** How it ended. */
function addEndRoutes(router: Router, deps: BuildRoutesDeps): void {
  router.post(`${JOB}/end`, json({ limit: MESSAGE_MAX }), async (request, response) => {
    const end = endMessage.parse(request.body);
    for (const { sha256, fileName } of end.packages) {
      if ((await deps.artifacts.find(sha256)) === undefined) {
        return void response.status(400).json({ error: `${fileName} was not uploaded` });
      }
    }
    const resend = await syncLogs(deps, request, end.logs ?? {});
    if (resend !== undefined) return void response.json({ resend });
    await settle(deps, request, response, (tx, id, token) => endJob(tx, id, token, end));
  });

  router.post(`${JOB}/fault`, json(), async (request, response) => {
    const fault = faultMessage.parse(request.body);
    deps.logger.warn({ jobId: request.params.id, ...fault }, "Attempt ended with a fault of ours");
    if (isDiskFault(fault)) deps.disk.noteWorker("build", fault.message);
    await syncLogs(deps, request);
    await settle(deps, request, response, (tx, id, token) => reportFault(tx, id, token, fault));
  });

  router.post(`${JOB}/hand-back`, (request, response) =>
    settle(deps, request, response, handBackJob),
  );
}

/** What of a plan only the server can judge is refused here; nothing is recorded then. */
async function takePlan(
  deps: BuildRoutesDeps,
  { job, build }: { readonly job: JobRow; readonly build: BuildRow },
  plan: PlanMessage,
  token: string,
): Promise<RecordedPlan | { readonly refusal: Refusal } | undefined> {
  const { store, defaultTarget } = deps;
  const channels = await namedChannels(store, build.repo);
  const refusal = refuseChannels(plan, channels, build.repo);
  if (refusal !== undefined) return { refusal };
  const server = {
    defaultTarget,
    targets: allTargetsOf(deps),
    secrets: await deps.secrets.namesOf(build.repo),
  };
  return await store.write(async (tx) => {
    try {
      return await recordPlan(tx, { jobId: job.id, token }, plan, server);
    } catch (err) {
      if (!(err instanceof UserFault)) throw err;
      // Planning comes before the first write, so there is nothing to take back.
      const { code, message, hint } = err;
      return { refusal: { code, message, hint } };
    }
  });
}

/** The worker has looked at them with what it was told at its claim; this is the last word. */
function refuseChannels(
  { pipeline }: PlanMessage,
  channels: ServerNames["channels"],
  repo: string,
): Refusal | undefined {
  const rules = pipeline.projects.flatMap(({ publish }) => publish);
  for (const { channel, promoteFrom } of rules) {
    const known = channels.find(({ name }) => name === channel);
    if (known === undefined) {
      const names = channels.map(({ name }) => name);
      const near = nearSpelling(channel, names);
      const didYouMean = near === undefined ? "" : `did you mean "${near}"? `;
      return {
        code: "CHANNEL_UNKNOWN",
        message: `no channel "${channel}" on this server`,
        hint: `${didYouMean}channels: ${names.join(", ")}`,
      };
    }
    if (!known.mayPublish && promoteFrom === null) {
      return {
        code: "CHANNEL_FORBIDDEN",
        message: `${repo} may not publish to "${channel}"`,
        hint: `It may promote: "${channel}: { promote-from: … }"; or ask an admin.`,
      };
    }
  }
  return undefined;
}

async function leaseOf(deps: BuildRoutesDeps, request: Request): Promise<JobRow | undefined> {
  const id = String(request.params["id"]);
  const job = await leasedJob(deps.store, id, leaseTokenOf(request));
  return job?.state === "running" ? job : undefined;
}

/**
 * Once the end is on record its worker drops what it has of the logs: ours must outlast a loss of power
 * by then. Those that did not, `told` being what the worker has, are answered with where they end.
 */
async function syncLogs(
  deps: BuildRoutesDeps,
  request: Request,
  told: Readonly<Record<string, number>> = {},
): Promise<Readonly<Record<string, number>> | undefined> {
  const leased = await leaseOf(deps, request);
  if (leased === undefined) return undefined;
  const attempt = { buildId: leased.buildId, jobId: leased.id, attempt: leased.attempt };
  const short: Record<string, number> = {};
  for (const [step, toldBytes] of Object.entries(told)) {
    const sizeBytes = await deps.logs.sizeOf({ ...attempt, step });
    if (sizeBytes < toldBytes) short[step] = sizeBytes;
  }
  if (Object.keys(short).length > 0) return short;
  await deps.logs.sync(attempt);
  return undefined;
}

async function settle(
  { store, announcer }: BuildRoutesDeps,
  request: Request,
  response: Response,
  work: (
    tx: Parameters<Parameters<Store["write"]>[0]>[0],
    id: string,
    token: string,
  ) => ReturnType<typeof endJob>,
): Promise<void> {
  const id = String(request.params["id"]);
  await failpoint("end.before-commit");
  const changed = await store.write((tx) => work(tx, id, leaseTokenOf(request)));
  await failpoint("end.after-commit");
  if (changed !== undefined) announcer.announce(changed);
  answerOrStale(response, changed && {});
}
