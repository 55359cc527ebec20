import type { RequestListener, Server } from "node:http";
import { consumeTickets, SCHEDULE_QUEUE } from "../shared/queues.ts";
import { createApp } from "./app.ts";
import { startHousekeeping } from "./changes/housekeeping.ts";
import { settleUnreadyBuilds } from "./git-remote.ts";
import { startKeptSweep } from "./kept-sweep.ts";
import { openParts, type PartsOptions } from "./parts.ts";
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
  const tryRefSweep = startTryRefSweep({ ...parts, gitRepos: parts.git.repos });
  await store.write(endLostShells);
  const shells = openShells({
    ...parts,
    adminToken: parts.admin.token,
    buildToken: options.config.buildToken,
  });
  http.on("upgrade", shells.upgrade);
  options.release(createApp({ ...parts, housekeeping, shells }));

  const link = parts.newToken();
  await store.write((tx) => addSignInLink(tx, link));
  return {
    loginUrl: `${parts.publicUrl}/login?t=${link}`,
    adminTokenFile: parts.admin.file,
    close: async () => {
      reconciler?.close();
      housekeeping.close();
      keptSweep.close();
      tryRefSweep.close();
      shells.close();
      parts.stopping.abort();
      http.close();
      http.closeAllConnections();
      await parts.baseRepositories.close();
      parts.topics.close();
      await ticks.close();
      await parts.schedulers.close();
      await parts.tickets.close();
      await parts.logs.close();
      await store.close();
    },
  };
}
