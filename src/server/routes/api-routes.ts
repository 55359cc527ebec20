import { createHash } from "node:crypto";
import { Router, type Request, type RequestHandler, type Response } from "express";
import { isRepoName } from "../../domain/push.ts";
import { isFinal, STATES } from "../../domain/states.ts";
import { identify, requireVisitor } from "../auth.ts";
import { buildPath } from "../pages/parts.ts";
import { removedAnswer } from "../removed-logs.ts";
import type { BuildView } from "../views.ts";
import { buildJson, summaryJson } from "./build-json.ts";
import { coalesce, openEventStream } from "./events.ts";
import { FILE_POLICY, dataHeaders } from "./headers.ts";
import { knownBuilds } from "./known-builds.ts";
import { watchLogs } from "./live-page.ts";
import { logRowsRoute, logTextRoute } from "./log-routes.ts";
import { queryInteger, queryText, type RouteDeps } from "./web-deps.ts";

const BUILDS_DEFAULT = 30;
const BUILDS_MAX = 200;
const STREAM_PAUSE_MS = 100;
const LOOK_AGAIN_MS = 20_000;

/** The JSON side of everything that pages show and do. */
export function apiRoutes(deps: RouteDeps): Router {
  const router = Router();
  router.use(
    ["/api/builds", "/api/repos/:owner/:name/builds"],
    identify(deps),
    dataHeaders,
    requireVisitor,
  );
  router.get("/api/builds", listBuilds(deps));
  router.get("/api/builds/:id", withBuild(deps, showBuild(deps)));
  router.get("/api/repos/:owner/:name/builds/:number", withBuild(deps, showBuild(deps)));
  const known = { read: { ...deps.read, buildById: knownBuilds(deps) } };
  router.get("/api/builds/:id/log", withBuild(known, logTextRoute(deps)));
  router.get("/api/builds/:id/log/rows", withBuild(known, logRowsRoute(deps)));
  router.get("/api/builds/:id/events", withBuild(deps, streamBuild(deps)));
  router.get("/api/builds/:id/artifacts/:fileName", withBuild(deps, sendArtifact(deps)));
  router.post("/api/builds/:id/cancel", cancel(deps));
  router.post("/api/builds/:id/rerun", rerun(deps));
  return router;
}

type BuildHandler = (build: BuildView, request: Request, response: Response) => Promise<void>;

/** Finds the build that an address names, by its id or by repo and number. */
function withBuild({ read }: Pick<RouteDeps, "read">, handle: BuildHandler): RequestHandler {
  return async (request, response) => {
    const { id, owner, name, number } = request.params;
    const repo = `${String(owner)}/${String(name)}`;
    const isNumbered = isRepoName(repo) && /^[1-9]\d{0,8}$/.test(String(number));
    const build =
      id === undefined
        ? isNumbered && (await read.buildByNumber(repo, Number(number)))
        : await read.buildById(String(id));
    if (build === undefined || build === false) return noSuchBuild(response);
    await handle(build, request, response);
  };
}

function noSuchBuild(response: Response): void {
  response.status(404).json({
    error: "There is no such build.",
    hint: "GET /api/builds lists them; a build is also found at /api/repos/<owner>/<name>/builds/<number>.",
  });
}

function listBuilds({ read, publicUrlOf }: RouteDeps): RequestHandler {
  return async (request, response) => {
    const repo = queryText(request, "repo");
    const stateText = queryText(request, "state");
    const state = STATES.find((known) => known === stateText);
    const limit = queryInteger(request, "limit", { min: 1, max: BUILDS_MAX }) ?? BUILDS_DEFAULT;
    const beforeText = queryText(request, "before");
    const beforeAt = beforeText === undefined ? undefined : Date.parse(beforeText);
    if (repo !== undefined && !isRepoName(repo)) return refuse(response, "repo is owner/name.");
    if (stateText !== undefined && state === undefined) {
      return refuse(response, `state is one of ${STATES.join(", ")}.`);
    }
    if (limit === "bad") return refuse(response, `limit is a number from 1 to ${BUILDS_MAX}.`);
    if (Number.isNaN(beforeAt)) return refuse(response, "before is an instant, ISO 8601.");
    const builds = await read.listBuilds({
      limit,
      ...(repo === undefined ? {} : { repo }),
      ...(state === undefined ? {} : { state }),
      ...(beforeAt === undefined ? {} : { beforeAt }),
    });
    const publicUrl = publicUrlOf(request);
    response.json({ builds: builds.map((build) => summaryJson(build, publicUrl)) });
  };
}

function refuse(response: Response, error: string): void {
  response.status(400).json({ error });
}

function showBuild({ publicUrlOf }: RouteDeps): BuildHandler {
  return async (build, request, response) => {
    response.json(buildJson(build, publicUrlOf(request)));
  };
}

/**
 * `build` events carry the whole build after each change; `log` events say how long a log is by
 * now. After the final state the stream ends, and a reader that comes back is told so by a 204.
 */
function streamBuild(deps: RouteDeps): BuildHandler {
  return async (first, request, response) => {
    const publicUrl = deps.publicUrlOf(request);
    let shown = request.get("Last-Event-ID") ?? "";
    if (isFinal(first.state) && shown === versionOf(first)) {
      response.status(204).end();
      return;
    }
    const stream = openEventStream(request, response, deps.stopping);
    if (stream === undefined) return;
    const { signal } = stream;
    const onError = (err: unknown): void => {
      deps.logger.warn({ err, buildId: first.id }, "Event stream ended early");
      response.destroy();
    };
    const tell = coalesce(
      async () => {
        const build = await deps.read.buildById(first.id);
        if (build === undefined) return void response.end();
        const version = versionOf(build);
        const data = JSON.stringify(buildJson(build, publicUrl));
        if (version !== shown) await stream.send({ name: "build", id: version, data });
        shown = version;
        if (isFinal(build.state)) response.end();
      },
      { pauseMs: STREAM_PAUSE_MS, signal, onError },
    );
    const stops = [
      deps.live.onBuild((id) => {
        if (id === first.id) tell();
      }),
      watchLogs(deps, first.id, stream, onError),
    ];
    // Workers come, go and are drained, which changes what it waits for and no record of it.
    const look = setInterval(tell, LOOK_AGAIN_MS);
    signal.addEventListener("abort", () => {
      clearInterval(look);
      for (const stop of stops) stop();
    });
    tell();
  };
}

function versionOf(build: BuildView): string {
  return createHash("sha256").update(JSON.stringify(build)).digest("base64url").slice(0, 16);
}

/** Files that a build made leave as downloads, never as something a browser would show. */
function sendArtifact({ artifacts }: RouteDeps): BuildHandler {
  return async (build, request, response) => {
    const name = String(request.params["fileName"]);
    const target = queryText(request, "target");
    const found = build.artifacts.find(
      (one) => one.fileName === name && (target === undefined || one.target === target),
    );
    const file = found && (await artifacts.open(found.sha256));
    const removed = found && file === undefined ? removedAnswer(build, "file") : undefined;
    if (removed !== undefined) return void response.status(410).json(removed);
    if (found === undefined || file === undefined) {
      response.status(404).json({ error: "The build has no such file." });
      return;
    }
    response.set({ "Content-Security-Policy": FILE_POLICY, ETag: `"${found.sha256}"` });
    response.attachment(found.fileName).type("application/x-rpm");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    response.sendFile(file.path, { dotfiles: "allow", etag: false, lastModified: false }, (err) => {
      // A reader that went away is no fault of anybody.
      if (err === undefined || response.headersSent) resolve();
      else reject(err);
    });
    await promise;
  };
}

function cancel({ act }: RouteDeps): RequestHandler {
  return async (request, response) => {
    const result = await act.cancel(String(request.params["id"]), "admin");
    if (result === "not-found") return noSuchBuild(response);
    if (result === "already-final") {
      response.status(409).json({ error: "The build has ended already; nothing was changed." });
      return;
    }
    response.status(result === "cancelled" ? 200 : 202).json({ result });
  };
}

function rerun({ act, read, publicUrlOf }: RouteDeps): RequestHandler {
  return async (request, response) => {
    const id = String(request.params["id"]);
    const isFresh = queryText(request, "fresh") === "true";
    const result = await act.rerun(id, "admin", { isFresh });
    const original = await read.buildById(id);
    if (result === "not-found" || original === undefined) return noSuchBuild(response);
    if (result === "not-possible") {
      response.status(409).json({
        error: "The build cannot be run again: it is under way, was a try, or has no commit.",
      });
      return;
    }
    const path = buildPath({ repo: original.repo, number: result.number });
    response.status(201).json({ ...result, url: publicUrlOf(request) + path });
  };
}
