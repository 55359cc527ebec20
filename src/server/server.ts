import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Server } from "node:http";
import { join } from "node:path";
import { Router, type Request } from "express";
import { processEnv, type ServerConfig } from "../shared/config.ts";
import type { Logger } from "../shared/logger.ts";
import { openTickets } from "../shared/queues.ts";
import { loadAdminToken } from "./admin-token.ts";
import { identify, requireVisitor, type AuthDeps } from "./auth.ts";
import { createAnnouncer } from "./announcer.ts";
import { createApp } from "./app.ts";
import { openArtifactFiles } from "./artifact-files.ts";
import { cloneOf, isCloneToken } from "./credentials.ts";
import { gitRemote, settleUnreadyBuilds, type GitCaller, type GitRemoteDeps } from "./git-remote.ts";
import { openGitRepos } from "./git-repos.ts";
import { openIntake } from "./intake.ts";
import { createLive } from "./live.ts";
import { openLogFiles } from "./logs.ts";
import { startReconciler, type Reconciler } from "./reconciler.ts";
import { buildRoutes } from "./routes/build-routes.ts";
import { hasRoom, opsRoutes } from "./routes/ops-routes.ts";
import { publishRoutes } from "./routes/publish-routes.ts";
import { reportRoutes } from "./routes/report-routes.ts";
import { statusRoutes } from "./routes/status-routes.ts";
import { onlyWorkers } from "./routes/worker-auth.ts";
import { ensureChannels } from "./store/channels.ts";
import { restartLeaseClocks } from "./store/jobs.ts";
import { readStore } from "./store/read.ts";
import { addSignInLink, isSignedIn, redeemLink } from "./store/sessions.ts";
import { openStore } from "./store/store.ts";
import { receiveGithub } from "./webhook/receive.ts";
import { createWorkerRoll } from "./worker-roll.ts";

export interface ServerOptions {
  readonly config: ServerConfig;
  readonly logger: Logger;
  /** Listening already, answering nothing yet. */
  readonly http: Server;
  /** Where this machine reaches it, used when no public address is set. */
  readonly localUrl: string;
  readonly databasePath: string;
  readonly now: () => number;
  readonly newId: (prefix: string) => string;
  readonly newToken: () => string;
}

export interface RunningServer {
  /** A one-time sign-in link. */
  readonly loginUrl: string;
  readonly adminTokenFile: string | undefined;
  close(): Promise<void>;
}

/** Wires the HTTP process: opens what it owns, repairs what a crash left, then answers. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { config, logger, http, now, newId, newToken } = options;
  const publicUrl = config.publicUrl ?? options.localUrl;
  const buildUrl = (repo: string, number: number): string => `${publicUrl}/repos/${repo}/${number}`;

  let reconciler: Reconciler | undefined;
  const admin = await loadAdminToken(config.dataDir, config.adminToken, newToken);
  const store = await openStore(options.databasePath, { now, newId, buildUrl });
  await store.write(ensureChannels);
  await store.write(restartLeaseClocks);
  const tickets = openTickets({
    redisUrl: config.redisUrl,
    logger,
    onConnect: () => void reconciler?.reconcile().catch(() => undefined),
  });
  const live = createLive();
  const announcer = createAnnouncer({ tickets, live, logger });
  const logs = openLogFiles(join(config.dataDir, "logs"));
  const artifacts = openArtifactFiles(join(config.dataDir, "artifacts"));
  const roll = createWorkerRoll(now);
  const read = readStore(store, roll);
  const { waitingBuildsMax } = config;
  const intake = openIntake({ store, announcer, waitingBuildsMax });
  const repos = openGitRepos({
    dir: join(config.dataDir, "git"),
    path: processEnv()["PATH"] ?? "",
  });
  /** As the asker spells it, unless a public address is set: behind a tunnel both may be right. */
  const publicUrlOf = (request: Request): string =>
    config.publicUrl ?? `${request.protocol}://${request.get("host") ?? ""}`;

  const git: GitRemoteDeps = {
    repos,
    intake,
    store,
    announcer,
    logger,
    newId,
    patterns: config.repos,
    identify: (request, repo) =>
      identifyGitCaller(request, repo, admin.token, (token) => isCloneToken(store, token, repo)),
    buildUrl: (request, repo, number) => `${publicUrlOf(request)}/repos/${repo}/${number}`,
  };
  const webhooks = Router();
  webhooks.post(
    "/webhooks/github",
    receiveGithub({
      ...intake,
      secrets: config.githubWebhookSecrets,
      repos: config.repos,
      buildUrl: ({ repo, number }, request) => `${publicUrlOf(request)}/repos/${repo}/${number}`,
      logger,
    }),
  );

  const auth: AuthDeps = {
    adminToken: admin.token,
    anonymousRead: config.anonymousRead,
    now,
    publicUrlOf,
    sessions: {
      redeemLink: async (link) => {
        const browserToken = newToken();
        const isGood = await store.write((tx) => redeemLink(tx, link, browserToken));
        return isGood ? browserToken : undefined;
      },
      isValid: (token) => isSignedIn(store, token),
    },
  };
  const readers = Router();
  readers.use(identify(auth), requireVisitor);

  const app = createApp({
    logger,
    hasRoom: () => hasRoom(config.dataDir),
    routers: [
      webhooks,
      gitRemote(git),
      buildRoutes({
        store,
        announcer,
        live,
        logs,
        artifacts,
        roll,
        logger,
        newToken,
        newId,
        token: config.buildToken,
        defaultTarget: config.defaultTarget,
        cloneOf: (granted, request) =>
          cloneOf(granted, {
            // The worker reached us at this address, so it can clone from it too.
            ownUrl: `${request.protocol}://${request.get("host") ?? ""}`,
            githubUrl: config.githubUrl,
            githubReadToken: config.githubReadToken,
          }),
      }),
      publishRoutes({ store, announcer, artifacts, logger, newToken, token: config.publishToken }),
      reportRoutes({ store, token: config.reportToken }),
      statusRoutes({ store, readers, reporters: onlyWorkers(config.reportToken) }),
      opsRoutes({
        read,
        tickets,
        now,
        readers,
        dataDir: config.dataDir,
        startedAt: now(),
        githubWebhookOn: config.githubWebhookSecrets.length > 0,
      }),
    ],
  });

  await settleUnreadyBuilds(git);
  reconciler = startReconciler({ store, tickets, announcer, logger });
  void reconciler.reconcile().catch(() => undefined);
  http.on("request", app);

  const link = newToken();
  await store.write((tx) => addSignInLink(tx, link));
  return {
    loginUrl: `${publicUrl}/login?t=${link}`,
    adminTokenFile: admin.file,
    close: async () => {
      reconciler?.close();
      http.close();
      http.closeAllConnections();
      await tickets.close();
      await logs.close();
      await store.close();
    },
  };
}

/** The own remote's callers, by HTTP Basic: the admin may push, a job's clone credential may read. */
async function identifyGitCaller(
  request: Request,
  repo: string,
  adminToken: string,
  mayRead: (token: string) => Promise<boolean>,
): Promise<GitCaller | undefined> {
  const encoded = /^Basic (.+)$/i.exec(request.get("authorization") ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const [user = "", ...rest] = Buffer.from(encoded, "base64").toString().split(":");
  const password = rest.join(":");
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  if (timingSafeEqual(digest(password), digest(adminToken))) {
    return { name: user === "" ? "admin" : user, mayPush: true };
  }
  return (await mayRead(password)) ? { name: `reader of ${repo}`, mayPush: false } : undefined;
}
