import express, { json, Router, type Request, type RequestHandler, type Response } from "express";
import { isRepoName } from "../../domain/push.ts";
import { approveRequest, buildRequest } from "../../shared/trigger-requests.ts";
import { identify, requireVisitor, visitorOf, type AuthDeps } from "../auth.ts";
import { buildPath, repoPath } from "../pages/parts.ts";
import { listSchedules } from "../store/schedules.ts";
import { readQueue, type QueueEntry } from "../store/read-queue.ts";
import type { Store } from "../store/store.ts";
import type { Triggers } from "../triggers.ts";
import type { ReadStore } from "../views.ts";
import type { WorkerRoll } from "../worker-roll.ts";
import { readBody } from "./change-routes.ts";
import { dataHeaders } from "./headers.ts";

const ADMIN = "admin";
const REPO = "/api/repos/:owner/:name";

export interface TriggerRoutesDeps extends AuthDeps {
  readonly triggers: Triggers;
  readonly store: Store;
  readonly roll: WorkerRoll;
  readonly read: Pick<ReadStore, "buildById">;
}

/** What starts builds, lets them start and puts them in order; see docs/reference/triggers.md. */
export function triggerRoutes(deps: TriggerRoutesDeps): Router {
  const router = Router();
  const known = [identify(deps), dataHeaders, requireVisitor] as const;
  const body = json({ limit: "1mb" });
  router.post(`${REPO}/builds`, ...known, body, postBuild(deps));
  router.post("/api/builds/:id/approve", ...known, body, postApprove(deps));
  router.post("/api/builds/:id/bump", ...known, postBump(deps));
  router.get("/api/queue", ...known, getQueue(deps));
  router.get(`${REPO}/schedules`, ...known, getSchedules(deps));
  router.post(`${REPO}/caches/clear`, ...known, postClearCaches(deps));

  const form = express.urlencoded({ extended: false, limit: "300kb" });
  router.post("/repos/:owner/:name/build", identify(deps), onlyAdmin, form, formBuild(deps));
  router.post("/builds/:id/approve", identify(deps), onlyAdmin, form, formApprove(deps));
  router.post("/builds/:id/bump", identify(deps), onlyAdmin, formBump(deps));
  return router;
}

/** What pages send; a stranger is shown the sign-in page by the page's own routes. */
const onlyAdmin: RequestHandler = (_request, response, next) => {
  if (visitorOf(response) === "admin") next();
  else next("router");
};

/** Undefined, and answered, when the address names none. */
export function repoOf(request: Request, response: Response): string | undefined {
  const name = `${String(request.params["owner"])}/${String(request.params["name"])}`;
  if (isRepoName(name)) return name;
  response.status(404).json({ error: "There is no such repo.", hint: "owner/name is expected." });
  return undefined;
}

function postBuild({ triggers, publicUrlOf }: TriggerRoutesDeps): RequestHandler {
  return async (request, response) => {
    const repo = repoOf(request, response);
    const wish = repo === undefined ? undefined : readBody(request, response, buildRequest);
    if (repo === undefined || wish === undefined) return;
    const { ref, sha, params = {}, fresh: isFresh = false } = wish;
    const answer = await triggers.build({ repo, ref, sha, params, isFresh, by: ADMIN });
    if ("refused" in answer) {
      const { status, error, hint } = answer.refused;
      response.status(status).json({ error, hint });
      return;
    }
    const url = publicUrlOf(request) + buildPath({ repo, number: answer.number });
    response.status(201).json({ ...answer, url });
  };
}

function postApprove({ triggers }: TriggerRoutesDeps): RequestHandler {
  return async (request, response) => {
    const wish = readBody(request, response, approveRequest);
    if (wish === undefined) return;
    const { withItsFile = false } = wish;
    const result = await triggers.approve(String(request.params["id"]), { withItsFile, by: ADMIN });
    if (result === "approved") return void response.json({ result });
    if (result === "not-found") return noSuchBuild(response);
    const error = "The build does not wait for approval; nothing was changed.";
    response
      .status(409)
      .json({ error, hint: "An approval holds for one commit of a pull request." });
  };
}

function postBump({ triggers, read }: TriggerRoutesDeps): RequestHandler {
  return async (request, response) => {
    const id = String(request.params["id"]);
    if (await triggers.bump(id)) return void response.json({ result: "bumped" });
    if ((await read.buildById(id)) === undefined) return noSuchBuild(response);
    const error = "Nothing of the build waits; nothing was changed.";
    response.status(409).json({ error, hint: "GET /api/queue lists what waits." });
  };
}

function noSuchBuild(response: Response): void {
  const hint = "GET /api/builds lists them.";
  response.status(404).json({ error: "There is no such build.", hint });
}

function getQueue({ store, roll, publicUrlOf }: TriggerRoutesDeps): RequestHandler {
  return async (request, response) => {
    const entries = await readQueue(store, roll);
    const publicUrl = publicUrlOf(request);
    response.json({ jobs: entries.map((entry) => entryJson(entry, publicUrl)) });
  };
}

function entryJson(entry: QueueEntry, publicUrl: string) {
  const { queuedAt, startedAt, ...rest } = entry;
  return {
    ...rest,
    url: publicUrl + buildPath(entry),
    queuedAt: new Date(queuedAt).toISOString(),
    startedAt: startedAt === null ? null : new Date(startedAt).toISOString(),
  };
}

function getSchedules({ store }: TriggerRoutesDeps): RequestHandler {
  return async (request, response) => {
    const repo = repoOf(request, response);
    if (repo === undefined) return;
    const schedules = (await listSchedules(store, repo)).map(({ pattern, nextAt, lastTickAt }) => ({
      pattern,
      nextAt: new Date(nextAt).toISOString(),
      lastTickAt: lastTickAt === null ? null : new Date(lastTickAt).toISOString(),
    }));
    response.json({ schedules });
  };
}

function postClearCaches({ triggers }: TriggerRoutesDeps): RequestHandler {
  return async (request, response) => {
    const repo = repoOf(request, response);
    if (repo === undefined) return;
    const cacheEpoch = await triggers.clearCaches(repo);
    if (cacheEpoch === undefined) {
      const hint = "GET /api/builds names those that are known.";
      return void response.status(404).json({ error: `There is no repo ${repo} here.`, hint });
    }
    response.json({ repo, cacheEpoch });
  };
}

function formBuild({ triggers }: TriggerRoutesDeps): RequestHandler {
  return async (request, response, next) => {
    const repo = `${String(request.params["owner"])}/${String(request.params["name"])}`;
    const { ref, params, fresh } = (request.body ?? {}) as Record<string, unknown>;
    const wish = {
      repo,
      ref: typeof ref === "string" && ref.trim() !== "" ? ref.trim() : undefined,
      params: paramsOf(typeof params === "string" ? params : ""),
      isFresh: fresh === "true",
      by: ADMIN,
    };
    const answer = isRepoName(repo) ? await triggers.build(wish) : undefined;
    if (answer === undefined) return next();
    if (!("refused" in answer)) {
      return response.redirect(303, buildPath({ repo, number: answer.number }));
    }
    const { status, error, hint } = answer.refused;
    response.status(status).type("text/plain").send(`${error}\n${hint}\n`);
  };
}

/** `NAME=value`, one on a line. */
function paramsOf(text: string): Record<string, string> {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  return Object.fromEntries(
    lines.map((line) => {
      const [, name = line.trim(), value = ""] = /^\s*([^=]*?)\s*=(.*)$/.exec(line) ?? [];
      return [name, value];
    }),
  );
}

function formApprove({ triggers, read }: TriggerRoutesDeps): RequestHandler {
  return async (request, response, next) => {
    const build = await read.buildById(String(request.params["id"]));
    if (build === undefined) return next();
    const { withItsFile } = (request.body ?? {}) as Record<string, unknown>;
    await triggers.approve(build.id, { withItsFile: withItsFile === "true", by: ADMIN });
    // One that was approved or cancelled meanwhile needs no words: its page says so.
    response.redirect(303, buildPath(build));
  };
}

function formBump({ triggers, read }: TriggerRoutesDeps): RequestHandler {
  return async (request, response, next) => {
    const build = await read.buildById(String(request.params["id"]));
    if (build === undefined) return next();
    await triggers.bump(build.id);
    response.redirect(303, build.state === "queued" ? buildPath(build) : repoPath(build.repo));
  };
}
