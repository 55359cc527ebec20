import express, { Router, type ErrorRequestHandler, type Request, type Response } from "express";
import { isRepoName } from "../../domain/push.ts";
import { STATES, type State } from "../../domain/states.ts";
import { identify, isForeign, isFromOwnPage, visitorOf } from "../auth.ts";
import type { RowsAnswer } from "../log-lines.ts";
import { buildPage } from "../pages/build.ts";
import { BROKEN, FOREIGN_FORM, notFound, type Trouble } from "../pages/error.ts";
import { html } from "../pages/html.ts";
import { homePage } from "../pages/home.ts";
import { logPage } from "../pages/log.ts";
import { loginPage } from "../pages/login.ts";
import { THEMES } from "../pages/page.ts";
import { buildPath, repoPath } from "../pages/parts.ts";
import { repoPage } from "../pages/repo.ts";
import { reposPage } from "../pages/repos.ts";
import { workersPage } from "../pages/workers.ts";
import { findStep, stepToShow, type ChosenStep } from "../pages/step-path.ts";
import type { BuildView } from "../views.ts";
import { changePages } from "./change-pages.ts";
import { channelPages } from "./channel-pages.ts";
import { pageHeaders } from "./headers.ts";
import {
  FRAGMENT_TYPE,
  livePage,
  pageOf,
  sendPage,
  sendTrouble,
  THEME_COOKIE,
  troubleOf,
  type Load,
  type Loaded,
} from "./live-page.ts";
import { packagePages } from "./package-pages.ts";
import { localPath } from "./sign-in-routes.ts";
import { testPages } from "./test-pages.ts";
import { queryInteger, queryText, type RouteDeps } from "./web-deps.ts";

const ROWS_PER_PAGE = 40;
const LOG_TAIL_ROWS = 200;
const YEAR_MS = 365 * 24 * 60 * 60 * 1_000;

/** Every page. Mounted last: what no page answers gets a page that says so. */
export function pageRoutes(deps: RouteDeps): Router {
  const router = Router();
  const form = express.urlencoded({ extended: false, limit: "10kb" });
  router.use(identify(deps), pageHeaders);
  router.post("/theme", form, setTheme(deps));
  router.use(onlyVisitors(deps));
  router.get("/", livePage(deps, loadHome(deps)));
  router.get("/repos", livePage(deps, loadRepos(deps)));
  router.get("/workers", livePage(deps, loadWorkers(deps)));
  router.use(testPages(deps));
  router.get("/repos/:owner/:name", livePage(deps, loadRepo(deps)));
  router.get("/repos/:owner/:name/:number", livePage(deps, loadBuild(deps)));
  router.get("/repos/:owner/:name/:number/:step", livePage(deps, loadLog(deps)));
  router.get("/builds/:id", livePage(deps, loadBuildById(deps)));
  router.post("/builds/:id/cancel", cancelBuild(deps));
  router.post("/builds/:id/rerun", rerunBuild(deps));
  router.use(channelPages(deps), packagePages(deps), changePages(deps));
  router.use(async (request, response, next) => {
    if (request.accepts(["json", "html"]) !== "html") return next();
    await sendTrouble(deps, request, response, notFound(`There is no page at ${request.path}`));
  });
  router.use(brokenPage(deps));
  return router;
}

/** Strangers get the sign-in page in place of the page they asked for. */
function onlyVisitors(deps: RouteDeps): express.RequestHandler {
  return async (request, response, next) => {
    if (visitorOf(response) !== undefined) return next();
    if (isForeign(response)) return await sendTrouble(deps, request, response, FOREIGN_FORM);
    const accept = request.get("Accept") ?? "";
    const isScript = accept.includes("text/event-stream") || accept.includes(FRAGMENT_TYPE);
    if (isScript || request.accepts(["json", "html"]) !== "html") {
      response.status(401).json({ error: "This needs a sign-in.", hint: "Open /login." });
      return;
    }
    const next_ = request.method === "GET" ? request.originalUrl : "/";
    response.status(401);
    await sendPage(deps, request, response, loginPage({ next: next_, problem: "none" }));
  };
}

function loadHome({ read }: RouteDeps): Load {
  return async (request) => {
    const filter = listFilter(request);
    const [found, repos, channels] = await Promise.all([
      read.listBuilds({ ...filter, limit: ROWS_PER_PAGE + 1 }),
      read.listRepos(),
      read.listChannels(),
    ]);
    const data = {
      ...firstOf(found),
      repos,
      channels,
      state: filter.state,
      isFirstPage: filter.beforeAt === undefined,
    };
    return pageOf(data, (context) => homePage(data, context));
  };
}

function loadRepos({ read }: RouteDeps): Load {
  return async (request) => {
    const wanted = queryText(request, "q")?.trim().slice(0, 200) ?? "";
    const all = await read.listRepos();
    const repos = all.filter(({ name }) => name.toLowerCase().includes(wanted.toLowerCase()));
    const only = repos.length === 1 && wanted !== "" ? repos[0] : undefined;
    if (only !== undefined) return { kind: "moved", to: repoPath(only.name) };
    const data = { repos, wanted };
    return pageOf(data, (context) => reposPage(data, context));
  };
}

function loadWorkers({ workers }: RouteDeps): Load {
  return async () => {
    const data = { workers: await workers() };
    return pageOf(data, (context) => workersPage(data, context));
  };
}

function loadRepo({ read }: RouteDeps): Load {
  return async (request) => {
    const name = repoNameOf(request);
    const repo = name === undefined ? undefined : await read.repoByName(name);
    if (repo === undefined) return troubleOf(notFound("There is no such repo here"));
    const filter = listFilter(request);
    const query = { ...filter, repo: repo.name, limit: ROWS_PER_PAGE + 1 };
    const data = { ...firstOf(await read.listBuilds(query)), repo, state: filter.state };
    return pageOf(data, (context) => repoPage(data, context));
  };
}

function loadBuild(deps: RouteDeps): Load {
  return async (request, options) => {
    const build = await buildOf(deps, request);
    if (build === undefined) return troubleOf(notFound("There is no such build"));
    return await loadedBuild(deps, build, options);
  };
}

async function loadedBuild(
  deps: RouteDeps,
  build: BuildView,
  { withLog }: { readonly withLog: boolean },
): Promise<Loaded> {
  const original = build.rerunOf === null ? undefined : await deps.read.buildById(build.rerunOf);
  const chosen = withLog ? stepToShow(build) : undefined;
  const logTail = chosen === undefined ? undefined : await tailOf(deps, build, chosen);
  const data = { build, original: original && { repo: original.repo, number: original.number } };
  return {
    ...pageOf(data, (context) => buildPage({ ...data, logTail }, context)),
    buildId: build.id,
  };
}

/** Ids have one page only, and it has a name that people can read. */
function loadBuildById({ read }: RouteDeps): Load {
  return async (request) => {
    const build = await read.buildById(String(request.params["id"]));
    if (build === undefined) return troubleOf(notFound("There is no such build"));
    return { kind: "moved", to: buildPath(build) };
  };
}

function loadLog(deps: RouteDeps): Load {
  return async (request, { withLog }) => {
    const build = await buildOf(deps, request);
    const name = String(request.params["step"]);
    const chosen = build && findStep(build, name, queryText(request, "job"));
    if (build === undefined || chosen === undefined)
      return troubleOf(notFound("There is no such step"));
    const logTail = withLog ? await tailOf(deps, build, chosen) : undefined;
    const loaded = pageOf({ build, name }, (context) =>
      logPage({ build, chosen, logTail }, context),
    );
    return { ...loaded, buildId: build.id };
  };
}

function cancelBuild(deps: RouteDeps): express.RequestHandler {
  return async (request, response) => {
    const build = await deps.read.buildById(String(request.params["id"]));
    const result = build === undefined ? "not-found" : await deps.act.cancel(build.id, "admin");
    if (build === undefined || result === "not-found") {
      return await sendTrouble(deps, request, response, notFound("There is no such build"));
    }
    // A build that ended meanwhile needs no words: its page says how.
    response.redirect(303, buildPath(build));
  };
}

function rerunBuild(deps: RouteDeps): express.RequestHandler {
  return async (request, response) => {
    const build = await deps.read.buildById(String(request.params["id"]));
    const result = build === undefined ? "not-found" : await deps.act.rerun(build.id, "admin");
    if (build === undefined || result === "not-found") {
      return await sendTrouble(deps, request, response, notFound("There is no such build"));
    }
    if (result === "not-possible") {
      return await sendTrouble(deps, request, response, notRerunnable(build));
    }
    response.redirect(303, buildPath({ repo: build.repo, number: result.number }));
  };
}

function notRerunnable(build: BuildView): Trouble {
  return {
    status: 409,
    what: `Build #${build.number} cannot be run again`,
    next: html`It is still under way, or has no commit.
      <a href="${buildPath(build)}">Back to the build</a>.`,
  };
}

function setTheme(deps: RouteDeps): express.RequestHandler {
  return (request, response) => {
    const { theme, next } = (request.body ?? {}) as { theme?: unknown; next?: unknown };
    const chosen = THEMES.find((known) => known === theme);
    if (chosen !== undefined && isFromOwnPage(request, deps)) {
      response.cookie(THEME_COOKIE, chosen, { sameSite: "lax", path: "/", maxAge: YEAR_MS });
    }
    response.redirect(303, localPath(next));
  };
}

function brokenPage(deps: RouteDeps): ErrorRequestHandler {
  return async (err: unknown, request: Request, response: Response, next) => {
    const status: unknown = (err as { status?: unknown } | null)?.status;
    const isTheirs = typeof status === "number" && status < 500;
    if (response.headersSent || isTheirs || request.accepts(["json", "html"]) !== "html") {
      return next(err);
    }
    deps.logger.error({ err, path: request.path }, "Page could not be drawn");
    await sendTrouble(deps, request, response, BROKEN);
  };
}

async function buildOf({ read }: RouteDeps, request: Request): Promise<BuildView | undefined> {
  const name = repoNameOf(request);
  const number = String(request.params["number"]);
  if (name === undefined || !/^[1-9]\d{0,8}$/.test(number)) return undefined;
  return await read.buildByNumber(name, Number(number));
}

function repoNameOf({ params }: Request): string | undefined {
  const name = `${String(params["owner"])}/${String(params["name"])}`;
  return isRepoName(name) ? name : undefined;
}

async function tailOf(
  { lines }: RouteDeps,
  build: BuildView,
  { job, step }: ChosenStep,
): Promise<RowsAnswer | undefined> {
  if (step.startedAt === null) return undefined;
  const log = { buildId: build.id, jobId: job.id, attempt: job.attempt, step: step.name };
  return await lines.read(log, { tail: LOG_TAIL_ROWS });
}

function listFilter(request: Request): { readonly state?: State; readonly beforeAt?: number } {
  const state = STATES.find((known) => known === queryText(request, "state"));
  const beforeAt = queryInteger(request, "before", { min: 1, max: Number.MAX_SAFE_INTEGER });
  return {
    ...(state === undefined ? {} : { state }),
    ...(typeof beforeAt === "number" ? { beforeAt } : {}),
  };
}

/** One row more than a page holds was asked for: it tells whether there is a next page. */
function firstOf<T>(found: readonly T[]): {
  readonly builds: readonly T[];
  readonly hasMore: boolean;
} {
  return { builds: found.slice(0, ROWS_PER_PAGE), hasMore: found.length > ROWS_PER_PAGE };
}
