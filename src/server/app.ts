import express, {
  Router,
  type Express,
  type NextFunction,
  type Request,
  type Response,
} from "express";
import { ZodError } from "zod";
import { identify, requireVisitor } from "./auth.ts";
import { buildActions } from "./build-actions.ts";
import { cloneOf } from "./credentials.ts";
import type { MissedPushes } from "./forge-sweep-parts.ts";
import { gitRemote } from "./git-remote.ts";
import { addressOf, type Parts } from "./parts.ts";
import { readPackageDetails } from "./changes/package-details.ts";
import type { Housekeeping } from "./changes/housekeeping.ts";
import { buildRoutes } from "./routes/build-routes.ts";
import { changeRoutes } from "./routes/change-routes.ts";
import { channelRoutes } from "./routes/channel-routes.ts";
import { keptRoutes } from "./routes/kept-routes.ts";
import { opsRoutes } from "./routes/ops-routes.ts";
import { pipelineRoutes } from "./routes/pipeline-routes.ts";
import { publishRoutes } from "./routes/publish-routes.ts";
import { replayRoutes } from "./routes/replay-routes.ts";
import { reportRoutes } from "./routes/report-routes.ts";
import { secretRoutes } from "./routes/secret-routes.ts";
import { shellRoutes } from "./routes/shell-routes.ts";
import type { Shells } from "./shells.ts";
import { statusRoutes } from "./routes/status-routes.ts";
import { testReportRoutes } from "./routes/test-report-routes.ts";
import { triggerRoutes } from "./routes/trigger-routes.ts";
import { webRoutes } from "./routes/web-routes.ts";
import { workerRoutes } from "./routes/worker-routes.ts";
import { onlyWorkers } from "./routes/worker-auth.ts";
import { openServed } from "./store/served.ts";
import { receiveGithub } from "./webhook/receive.ts";
import { yumRoutes } from "./yum/routes.ts";

/** Every route of the HTTP process, in the order in which they are asked. */
export function createApp(
  parts: Parts & {
    readonly housekeeping: Housekeeping;
    readonly shells: Shells;
    readonly missedPushes: () => Promise<MissedPushes>;
  },
): Express {
  const { config, logger, store } = parts;
  const readers = Router();
  readers.use(identify(parts.auth), requireVisitor);
  const served = openServed(store);
  const yum = yumRoutes({ ...parts, heads: served, refused: served.refused });
  const webhooks = receiveGithub({
    ...parts.intake,
    logger,
    secrets: config.githubWebhookSecrets,
    repos: config.repos,
    buildUrl: ({ repo, number }, request) =>
      `${parts.publicUrlOf(request)}/repos/${repo}/${number}`,
  });

  const app = express();
  app.disable("x-powered-by");
  app.set("etag", false);
  app.use("/webhooks", refuseWhenFull(parts));
  app.post("/webhooks/github", webhooks);
  app.use(gitRemote(parts.git));
  const names = {
    defaultTarget: config.defaultTarget,
    targets: config.targets.map(({ target }) => target),
    yumSources: config.yumSources.map(({ name }) => name),
  };
  app.use(
    buildRoutes({
      ...parts,
      ...names,
      token: config.buildToken,
      cloneOf: (granted, request) =>
        // The worker reached us at this address, so it can clone from it too.
        cloneOf(granted, { ...config, ownUrl: addressOf(request) }),
    }),
  );
  app.use(testReportRoutes({ ...parts, token: config.buildToken }));
  app.use(shellRoutes({ ...parts, token: config.buildToken }));
  app.use(publishRoutes({ ...parts, token: config.publishToken }));
  app.use(reportRoutes({ store, token: config.reportToken }));
  app.use(keptRoutes({ ...parts, token: config.buildToken, readers }));
  app.use(statusRoutes({ store, readers, reporters: onlyWorkers(config.reportToken) }));
  app.use("/yum", yum);
  app.use(
    opsRoutes({
      ...parts,
      workers: parts.drains.list,
      identify: identify(parts.auth),
      readers,
      dataDir: config.dataDir,
      startedAt: parts.now(),
      isGithubWebhookMissing:
        config.githubWebhookSecrets.length === 0 &&
        (config.githubReadToken !== undefined || config.githubHookToken !== undefined),
    }),
  );
  app.use(changeRoutes({ ...parts, ...parts.auth }));
  app.use(channelRoutes({ ...parts, ...parts.auth }));
  app.use(triggerRoutes({ ...parts, ...parts.auth }));
  app.use(secretRoutes({ ...parts, ...parts.auth }));
  app.use(workerRoutes({ ...parts, ...parts.auth }));
  app.use(replayRoutes({ ...parts.auth, store }));
  app.use(pipelineRoutes({ ...parts, ...parts.auth, ...names }));
  // Last of all: what nobody answers becomes a page that says so.
  app.use(
    webRoutes({
      ...parts,
      ...parts.auth,
      act: buildActions(parts),
      workers: parts.drains.list,
      artifacts: { open: (sha256) => parts.artifacts.find(sha256) },
      packageDetails: (file, page) => readPackageDetails(parts.layout, file, page),
      stopping: parts.stopping.signal,
    }),
  );
  app.use((err: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(err);
    const isDisk = parts.disk.note(`the request ${request.method} ${request.path}`, err);
    const { status, message } = isDisk ? DISK_REFUSED : describe(err);
    if (status >= 500) logger.error({ err, path: request.path }, "Request failed");
    response.status(status).json({ error: message });
  });
  return app;
}

const DISK_REFUSED = {
  status: 503,
  message: "The disk refused a write, so nothing was accepted; try again. /healthz says more.",
} as const;

function refuseWhenFull({ hasRoom }: Parts) {
  return async (_request: Request, response: Response, next: NextFunction): Promise<void> => {
    if (await hasRoom()) next();
    else response.status(503).json({ error: "The disk is full; nothing is accepted now." });
  };
}

function describe(err: unknown): { readonly status: number; readonly message: string } {
  if (err instanceof ZodError) {
    const [issue] = err.issues;
    return {
      status: 400,
      message: `${issue?.path.join(".") || "the body"}: ${issue?.message ?? "bad request"}`,
    };
  }
  if (err instanceof URIError) {
    return { status: 400, message: "The address has a % that begins no letter of UTF-8." };
  }
  const { status, expose, message, type } = (err ?? {}) as Record<string, unknown>;
  // Express' own parsers say what is wrong with a request; everything else stays ours.
  if (typeof status === "number" && status < 500 && expose === true) {
    const isBody = typeof type === "string" && /^(?:entity|encoding|charset)\./.test(type);
    return { status, message: `${isBody ? "the body: " : ""}${String(message)}` };
  }
  return { status: 500, message: "The server failed; it has been logged." };
}
