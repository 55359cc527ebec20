import type { RequestListener, Server } from "node:http";
import { ConfigError } from "../shared/config.ts";
import { consumeTickets, SCHEDULE_QUEUE } from "../shared/queues.ts";
import { keepsTickets } from "../shared/redis-watch.ts";
import { createApp } from "./app.ts";
import { startHousekeeping } from "./changes/housekeeping.ts";
import { settleUnreadyBuilds } from "./settle-pushes.ts";
import { openForgeSweep } from "./forge-sweep-parts.ts";
import { startBuildRetention } from "./build-retention.ts";
import { startKeptSweep } from "./kept-sweep.ts";
import { openParts, type Parts, type PartsOptions } from "./parts.ts";
import { startOwnRefSweep } from "./own-refs.ts";
import { startReconciler, type Reconciler } from "./reconciler.ts";
import { openShells } from "./shells.ts";
import { endLostShells } from "./store/shells.ts";
import { addSignInLink } from "./store/sessions.ts";
import { startTryRefSweep } from "./try-refs.ts";

export interface ServerOptions extends Omit<PartsOptions, "onRedis"> {
  /** Listening already, its requests held. */
  readonly http: Server;
  readonly release: (app: RequestListener) => void;
}

export interface RunningServer {
  /** A one-time sign-in link. */
  readonly loginUrl: string;
  readonly adminTokenFile: string | undefined;
  close(): Promise<void>;
}

/**
 * Requests that come between listening and readiness wait; without this they would never be answered,
 * since nobody listens to them yet.
 */
export function holdRequests(http: Server): (app: RequestListener) => void {
  const ready = Promise.withResolvers<RequestListener>();
  http.on("request", (request, response) => {
    void ready.promise.then((app) => app(request, response));
  });
  return ready.resolve;
}

/** Opens what the server owns, repairs what a crash left, and only then answers. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  let reconciler: Reconciler | undefined;
  const reconcile = (): void => void reconciler?.reconcile().catch(() => undefined);
  const parts = await openParts({ ...options, onRedis: reconcile });
  const { store, http } = { ...parts, http: options.http };

  await refuseForgetfulRedis(parts);
  await settleUnreadyBuilds(parts.git, { isStarting: true });
  const settlePushes = () => settleUnreadyBuilds(parts.git, { isStarting: false });
  reconciler = startReconciler({ ...parts, settlePushes });
  reconcile();
  const housekeeping = startHousekeeping(parts);
  const ticks = consumeTickets({
    queue: SCHEDULE_QUEUE,
    redisUrl: options.config.redisUrl,
    logger: options.logger,
    onTicket: parts.schedules.tick,
  });
  const keptSweep = startKeptSweep(parts);
  const { keepBuildsDays } = options.config;
  const retention = startBuildRetention({ ...parts, keepBuildsDays });
  const tryRefSweep = startTryRefSweep({ ...parts, gitRepos: parts.git.repos });
  await store.write(endLostShells);
  const shells = openShells({
    ...parts,
    adminToken: parts.admin.token,
    buildToken: options.config.buildToken,
  });
  http.on("upgrade", shells.upgrade);
  const sweep = openForgeSweep(parts);
  options.release(createApp({ ...parts, housekeeping, shells, missedPushes: sweep.report }));
  // Only now: what is delivered again must find the door open.
  sweep.start();
  const ownRefSweep = startOwnRefSweep(parts.git);

  const link = parts.newToken();
  await store.write((tx) => addSignInLink(tx, link));
  return {
    loginUrl: `${parts.publicUrl}/login?t=${link}`,
    adminTokenFile: parts.admin.file,
    close: async () => {
      reconciler?.close();
      housekeeping.close();
      keptSweep.close();
      retention.close();
      tryRefSweep.close();
      ownRefSweep.close();
      sweep.close();
      shells.close();
      parts.drains.close();
      parts.stopping.abort();
      http.close();
      http.closeAllConnections();
      await parts.baseRepositories.close();
      parts.topics.close();
      parts.redisWatch.close();
      await ticks.close();
      await parts.schedulers.close();
      await parts.tickets.close();
      await parts.logs.close();
      await store.close();
    },
  };
}

/** Tickets that vanish cost time only; but a start that says nothing would cost it for ever. */
async function refuseForgetfulRedis({ config, logger, redisWatch }: Parts): Promise<void> {
  const policy = await redisWatch.policyAtStart();
  if (policy === undefined || keepsTickets(policy)) return;
  if (config.mayRedisEvict) {
    return logger.warn(
      { policy },
      "Redis may throw tickets away: such builds start up to 30 s late",
    );
  }
  throw new ConfigError([
    `TATARA_REDIS_URL: this Redis may throw tickets away, since its maxmemory-policy is ${policy}. ` +
      "Change it with redis-cli CONFIG SET maxmemory-policy noeviction and in its configuration file; " +
      "or start as it is with TATARA_REDIS_MAY_EVICT=true",
  ]);
}
