import { Router, type NextFunction, type Request, type Response } from "express";
import type { Tickets } from "../../shared/queues.ts";
import { freeBytes } from "../free-room.ts";
import type { KeyStatus } from "../../yum/keys/key-status.ts";
import type { ReadStore } from "../views.ts";

const WAITING_ALARM_MS = 10 * 60_000;

export interface OpsRoutesDeps {
  readonly read: ReadStore;
  readonly tickets: Tickets;
  readonly dataDir: string;
  /** What the publish worker says about its keys. */
  readonly keyStatus: () => Promise<KeyStatus | undefined>;
  readonly hasRoom: () => Promise<boolean>;
  readonly now: () => number;
  readonly startedAt: number;
  readonly githubWebhookOn: boolean;
  /** Lets in whoever may read pages. */
  readonly readers: (request: Request, response: Response, next: NextFunction) => void;
}

interface Health {
  /** Something that makes this server refuse work. */
  readonly problems: readonly string[];
  /** Something that an operator should know. */
  readonly warnings: readonly string[];
}

/** `/healthz`: liveness with reasons. `/metrics`: numbers for Prometheus. */
export function opsRoutes(deps: OpsRoutesDeps): Router {
  const router = Router();
  router.get("/healthz", async (_request, response) => {
    const { problems, warnings } = await checkHealth(deps);
    const status = problems.length > 0 ? "failing" : warnings.length > 0 ? "degraded" : "ok";
    response
      .status(problems.length > 0 ? 503 : 200)
      .set("cache-control", "no-store")
      .json({ status, problems, warnings, uptimeSeconds: secondsSince(deps, deps.startedAt) });
  });
  router.get("/metrics", deps.readers, async (_request, response) => {
    response.type("text/plain; version=0.0.4").send(await metricsText(deps));
  });
  return router;
}

async function checkHealth(deps: OpsRoutesDeps): Promise<Health> {
  const problems: string[] = [];
  const warnings: string[] = [];
  if (!(await deps.hasRoom())) {
    problems.push("less than 1 GiB is free where the data is: pushes are refused");
  }
  const counts = await deps.read.counts().catch(() => undefined);
  if (counts === undefined) problems.push("the database does not answer");
  else {
    for (const { forge, reason } of counts.parkedForges) {
      warnings.push(`commit statuses for ${forge} wait: ${reason}`);
    }
    const isWaitingLong =
      counts.oldestQueuedAt !== null && deps.now() - counts.oldestQueuedAt > WAITING_ALARM_MS;
    if (isWaitingLong)
      warnings.push(`${counts.jobsQueued} jobs wait, the oldest for over 10 minutes`);
    if (counts.liveWorkers === 0)
      warnings.push("no build worker has asked for work in the last minute");
  }
  const isRedisUp = await deps.tickets.depth("build").then(
    () => true,
    () => false,
  );
  if (!isRedisUp) warnings.push("Redis is away: builds start up to 30 s late, nothing is lost");
  for (const { message, hint } of (await deps.keyStatus())?.warnings ?? []) {
    warnings.push(`${message} To do: ${hint}.`);
  }
  if (!deps.githubWebhookOn)
    warnings.push("/webhooks/github is off: TATARA_GITHUB_WEBHOOK_SECRET is not set");
  return { problems, warnings };
}

async function metricsText(deps: OpsRoutesDeps): Promise<string> {
  const counts = await deps.read.counts();
  const oldestSeconds =
    counts.oldestQueuedAt === null ? 0 : secondsSince(deps, counts.oldestQueuedAt);
  const free = await freeBytes(deps.dataDir);
  const depth = await deps.tickets.depth("build").catch(() => Number.NaN);
  return [
    ...byState("tatara_builds", "Builds by state.", await deps.read.buildCounts()),
    ...single("tatara_jobs_queued", "Jobs that wait for a worker.", counts.jobsQueued),
    ...single("tatara_jobs_running", "Jobs under way.", counts.jobsRunning),
    ...single("tatara_oldest_queued_seconds", "Age of the oldest waiting job.", oldestSeconds),
    ...single(
      "tatara_publishes_waiting",
      "Publish requests not live yet.",
      counts.publishesWaiting,
    ),
    ...single("tatara_statuses_waiting", "Commit statuses not sent yet.", counts.statusesWaiting),
    ...single(
      "tatara_forges_parked",
      "Forges that refuse our credential.",
      counts.parkedForges.length,
    ),
    ...single("tatara_workers_live", "Build workers seen in the last minute.", counts.liveWorkers),
    ...single("tatara_queue_tickets", "Tickets in the build queue in Redis.", depth),
    ...single("tatara_disk_free_bytes", "Free bytes where the data is.", free ?? Number.NaN),
    ...single(
      "tatara_uptime_seconds",
      "Since the server's start.",
      secondsSince(deps, deps.startedAt),
    ),
    "",
  ].join("\n");
}

function single(name: string, help: string, value: number): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${value}`];
}

function byState(
  name: string,
  help: string,
  values: Readonly<Record<string, number | undefined>>,
): string[] {
  const lines = Object.entries(values).map(
    ([state, value]) => `${name}{state="${state}"} ${value ?? 0}`,
  );
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines];
}

function secondsSince(deps: Pick<OpsRoutesDeps, "now">, at: number): number {
  return Math.round((deps.now() - at) / 1_000);
}
