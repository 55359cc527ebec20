import { Router, type NextFunction, type Request, type Response } from "express";
import type { Tickets } from "../../shared/queues.ts";
import type { RedisWatch } from "../../shared/redis-watch.ts";
import { visitorOf } from "../auth.ts";
import { workerWarnings, type WorkerView } from "../drains.ts";
import type { DiskHealth } from "../disk-health.ts";
import { lookAtRoom } from "../free-room.ts";
import { missedWarnings, NOTHING_MISSED, type MissedPushes } from "../forge-sweep-parts.ts";
import type { KeyStatus } from "../../yum/keys/key-status.ts";
import { WAITING_ALARM_MS } from "../store/read-stuck.ts";
import { stuckWarnings } from "../stuck.ts";
import type { ReadStore } from "../views.ts";

export interface OpsRoutesDeps {
  readonly read: ReadStore;
  readonly tickets: Tickets;
  readonly redisWatch?: Pick<RedisWatch, "warnings" | "awayBecause">;
  readonly workers: () => Promise<readonly WorkerView[]>;
  readonly dataDir: string;
  readonly diskHealth: (namesFolder: boolean) => Promise<DiskHealth>;
  /** What the publish worker says about its keys. */
  readonly keyStatus: () => Promise<KeyStatus | undefined>;
  readonly now: () => number;
  readonly startedAt: number;
  /** Something of GitHub is set up, but for its webhook. */
  readonly isGithubWebhookMissing: boolean;
  /** Pushes that nobody delivered. */
  readonly missedPushes: () => Promise<MissedPushes>;
  /** Finds out who asks. */
  readonly identify: (request: Request, response: Response, next: NextFunction) => void;
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
  router.get("/healthz", deps.identify, async (_request, response) => {
    const mayRead = visitorOf(response) !== undefined;
    const { problems, warnings } = await checkHealth(deps, mayRead);
    const { missed, recovered } = await deps.missedPushes().catch(() => NOTHING_MISSED);
    const status = problems.length > 0 ? "failing" : warnings.length > 0 ? "degraded" : "ok";
    response
      .status(problems.length > 0 ? 503 : 200)
      .set("cache-control", "no-store")
      .json({
        status,
        problems,
        warnings,
        missedPushes: { missed, recovered },
        uptimeSeconds: secondsSince(deps, deps.startedAt),
      });
  });
  router.get("/metrics", deps.readers, async (_request, response) => {
    response.type("text/plain; version=0.0.4").send(await metricsText(deps));
  });
  return router;
}

/** Everybody may ask; names of repos, workers and folders are for whoever may read pages. */
async function checkHealth(deps: OpsRoutesDeps, mayRead: boolean): Promise<Health> {
  const problems: string[] = [];
  const warnings: string[] = [];
  const onDisk = await deps.diskHealth(mayRead);
  problems.push(...onDisk.problems);
  warnings.push(...onDisk.warnings);
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
    warnings.push(...stuckWarnings(counts, mayRead));
    // Who has never claimed anything has no record yet, and may be in trouble all the same.
    for (const { worker, trouble } of counts.troubles) {
      warnings.push(
        mayRead ? `worker ${worker} takes no jobs: ${trouble}` : "a worker takes no jobs",
      );
    }
    if (counts.liveWorkers === 0 && counts.troubles.length === 0)
      warnings.push("no build worker has asked for work in the last minute");
    warnings.push(...workerWarnings(await deps.workers().catch(() => []), mayRead));
  }
  const isRedisUp = await deps.tickets.depth("build").then(
    () => true,
    () => false,
  );
  if (!isRedisUp) {
    const why = mayRead ? deps.redisWatch?.awayBecause() : undefined;
    const place = why === undefined ? "" : ` (${why})`;
    warnings.push(`Redis is away${place}: builds start up to 30 s late, nothing is lost`);
  }
  warnings.push(...(deps.redisWatch?.warnings() ?? []));
  for (const { message, hint } of (await deps.keyStatus())?.warnings ?? []) {
    warnings.push(`${message} To do: ${hint}.`);
  }
  const missed = await deps.missedPushes().catch(() => NOTHING_MISSED);
  warnings.push(...missedWarnings(missed, mayRead));
  if (deps.isGithubWebhookMissing && !missed.isPolling)
    warnings.push("/webhooks/github is off: TATARA_GITHUB_WEBHOOK_SECRET is not set");
  return { problems, warnings };
}

async function metricsText(deps: OpsRoutesDeps): Promise<string> {
  const counts = await deps.read.counts();
  const oldestSeconds =
    counts.oldestQueuedAt === null ? 0 : secondsSince(deps, counts.oldestQueuedAt);
  const { freeBytes } = await lookAtRoom(deps.dataDir);
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
      "tatara_statuses_refused",
      "Commit statuses that their forge refused for good in the last 7 days.",
      counts.refusedStatuses?.count ?? 0,
    ),
    ...single(
      "tatara_forges_parked",
      "Forges that refuse our credential.",
      counts.parkedForges.length,
    ),
    ...single(
      "tatara_pushes_missed",
      "Deliveries of the last 30 days that did not come by themselves.",
      counts.missed?.missed ?? 0,
    ),
    ...single(
      "tatara_pushes_recovered",
      "Of the missed deliveries, those that are here by now.",
      counts.missed?.recovered ?? 0,
    ),
    ...single("tatara_workers_live", "Build workers seen in the last minute.", counts.liveWorkers),
    ...single("tatara_queue_tickets", "Tickets in the build queue in Redis.", depth),
    ...single("tatara_disk_free_bytes", "Free bytes where the data is.", freeBytes ?? Number.NaN),
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
