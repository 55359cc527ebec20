import { json, raw, Router, type Request, type Response } from "express";
import { LEASE_MS } from "../../domain/attempt.ts";
import { channelProblem } from "../../domain/pipeline.ts";
import type { Logger } from "../../shared/logger.ts";
import { claimRequest, faultMessage, startedRequest } from "../../shared/worker-messages.ts";
import {
  endMessage,
  planMessage,
  stepMessage,
  type BuildGrant,
} from "../../shared/build-messages.ts";
import { PATHS, PROTOCOL } from "../../shared/protocol.ts";
import { stepName } from "../../shared/message-parts.ts";
import type { Announcer } from "../announcer.ts";
import type { ArtifactFiles } from "../artifact-files.ts";
import { channelNames } from "../store/channels.ts";
import { handBackJob, reportFault, loseAttemptsOf } from "../store/attempts.ts";
import { claimJob, endJob, recordPlan, recordStep, type GrantedJob } from "../store/jobs.ts";
import { leasedJob, liveAttempts, renewLease } from "../store/leases.ts";
import type { JobRow } from "../store/schema.ts";
import type { Store } from "../store/store.ts";
import type { Live, LogFiles } from "../views.ts";
import type { WorkerRoll } from "../worker-roll.ts";
import { answerOrStale, leaseTokenOf, onlyWorkers } from "./worker-auth.ts";

const LOG_CHUNK_MAX = "1mb";
const MESSAGE_MAX = "4mb";

export interface BuildRoutesDeps {
  readonly store: Store;
  readonly announcer: Announcer;
  readonly live: Live;
  readonly logs: LogFiles;
  readonly artifacts: ArtifactFiles;
  readonly roll: WorkerRoll;
  readonly logger: Logger;
  readonly token: string;
  readonly newToken: () => string;
  readonly newId: (prefix: string) => string;
  readonly defaultTarget: string;
  /** False while the disk is too full for another build. */
  readonly hasRoom: () => Promise<boolean>;
  readonly cloneOf: (granted: GrantedJob, request: Request) => BuildGrant["clone"];
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

/** What a worker asks before it has a lease. */
function addClaimRoutes(router: Router, deps: BuildRoutesDeps): void {
  const { store, announcer } = deps;

  router.post(PATHS.buildStarted(), json(), async (request, response) => {
    const { worker } = startedRequest.parse(request.body);
    const changes = await store.write((tx) => loseAttemptsOf(tx, worker));
    changes.forEach(announcer.announce);
    response.json({});
  });

  router.post(PATHS.buildClaim(), json(), async (request, response) => {
    const { worker, protocol } = claimRequest.parse(request.body);
    if (protocol.highest < PROTOCOL.lowest || protocol.lowest > PROTOCOL.highest) {
      response.status(426).json({ error: "This worker is of another version: upgrade it." });
      return;
    }
    deps.roll.seen(worker);
    if (!(await deps.hasRoom())) return void response.status(204).end();
    const token = deps.newToken();
    const granted = await store.write((tx) => claimJob(tx, worker, token));
    if (granted === undefined) return void response.status(204).end();
    announcer.announce({ buildId: granted.build.id, statusId: granted.statusId });
    response.json(grantOf(deps, granted, token, request));
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

  router.post(`${JOB}/plan`, json({ limit: MESSAGE_MAX }), async (request, response) => {
    const plan = planMessage.parse(request.body);
    const refusal = await refusePlan(store, plan.pipeline.publish);
    if (refusal !== undefined) return void response.status(422).json(refusal);
    const { id } = request.params;
    const token = leaseTokenOf(request);
    const target = deps.defaultTarget;
    const changed = await store.write((tx) => recordPlan(tx, { jobId: id, token }, plan, target));
    if (changed !== undefined) announcer.announce(changed);
    answerOrStale(response, changed && {});
  });

  router.post(`${JOB}/steps/:step`, json(), async (request, response) => {
    const message = stepMessage.parse(request.body);
    const { id, step } = request.params;
    const token = leaseTokenOf(request);
    const name = stepName.parse(step);
    const changed = await store.write((tx) => recordStep(tx, { jobId: id, token }, name, message));
    if (changed !== undefined) announcer.announce(changed);
    answerOrStale(response, changed && {});
  });

  const chunk = raw({ type: "*/*", limit: LOG_CHUNK_MAX });
  router.post(`${JOB}/steps/:step/log`, chunk, async (request, response) => {
    const leased = await leaseOf(deps, request);
    if (leased === undefined) return answerOrStale(response, undefined);
    const { id: jobId, buildId, attempt } = leased;
    const log = { buildId, jobId, attempt, step: stepName.parse(request.params.step) };
    const offset = Number(request.query["offset"]);
    if (!Number.isSafeInteger(offset) || offset < 0) return void response.status(400).end();
    const bytes: unknown = request.body;
    const answer = await deps.logs.append(
      log,
      offset,
      Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0),
    );
    if (answer.kind === "acknowledged") deps.live.logGrew(log, answer.upToBytes);
    response.json(answer);
  });

  router.put(`${JOB}/artifacts/:sha256`, async (request, response) => {
    if ((await leaseOf(deps, request)) === undefined) return answerOrStale(response, undefined);
    const verdict = await deps.artifacts.store(request.params.sha256, request, deps.newId);
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
    await settle(deps, request, response, (tx, id, token) => endJob(tx, id, token, end));
  });

  router.post(`${JOB}/fault`, json(), async (request, response) => {
    const fault = faultMessage.parse(request.body);
    deps.logger.warn({ jobId: request.params.id, ...fault }, "Attempt ended with a fault of ours");
    await settle(deps, request, response, (tx, id, token) => reportFault(tx, id, token, fault));
  });

  router.post(`${JOB}/hand-back`, (request, response) =>
    settle(deps, request, response, handBackJob),
  );
}

function grantOf(
  deps: BuildRoutesDeps,
  granted: GrantedJob,
  token: string,
  request: Request,
): BuildGrant {
  const { job, build, plan } = granted;
  return {
    jobId: job.id,
    lease: { token, attempt: job.attempt, leaseMs: LEASE_MS },
    build: {
      id: build.id,
      repo: build.repo,
      number: build.number,
      sha: build.sha ?? build.after,
      ref: build.ref,
      defaultBranch: build.defaultBranch,
      url: deps.store.buildUrl(build.repo, build.number),
    },
    target: job.target ?? deps.defaultTarget,
    plan: plan === undefined ? null : mutable(plan.pipeline),
    clone: deps.cloneOf(granted, request),
    secrets: [],
  };
}

function mutable(pipeline: NonNullable<GrantedJob["plan"]>["pipeline"]): BuildGrant["plan"] {
  return { ...pipeline, tests: [...pipeline.tests] };
}

async function leaseOf(deps: BuildRoutesDeps, request: Request): Promise<JobRow | undefined> {
  const id = String(request.params["id"]);
  const job = await leasedJob(deps.store, id, leaseTokenOf(request));
  return job?.state === "running" ? job : undefined;
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
  const changed = await store.write((tx) => work(tx, id, leaseTokenOf(request)));
  if (changed !== undefined) announcer.announce(changed);
  answerOrStale(response, changed && {});
}

/** What of a plan only the server can judge. */
async function refusePlan(store: Store, channel: string | null) {
  if (channel === null) return undefined;
  const problem = channelProblem(channel, await channelNames(store));
  return problem && { code: "CHANNEL_UNKNOWN" as const, ...problem };
}
