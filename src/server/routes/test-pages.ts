import { Router, type Request, type RequestHandler } from "express";
import { isRepoName } from "../../domain/push.ts";
import { identify, requireVisitor } from "../auth.ts";
import { notFound } from "../pages/error.ts";
import { buildPath, repoPath } from "../pages/parts.ts";
import { repoTestsPage } from "../pages/repo-tests.ts";
import type { TestsPaging } from "../pages/test-parts.ts";
import { buildTestsPage } from "../pages/tests.ts";
import type { BuildView, RepoView } from "../views.ts";
import { dataHeaders } from "./headers.ts";
import { livePage, pageOf, troubleOf, type Load } from "./live-page.ts";
import { buildTestsJson, repoTestsJson } from "./test-json.ts";
import { queryInteger, queryText, type RouteDeps } from "./web-deps.ts";

const TESTS_PER_PAGE = 100;
const TESTS_MAX = 1_000;
const OFFSET_MAX = 1_000_000;

/** The pages of tests. Before those of builds and steps, whose addresses would take theirs. */
export function testPages(deps: RouteDeps): Router {
  return Router()
    .get("/repos/:owner/:name/tests", livePage(deps, loadRepoTests(deps)))
    .get("/repos/:owner/:name/:number/tests", livePage(deps, loadBuildTests(deps)));
}

/** The same as JSON. */
export function testApi(deps: RouteDeps): Router {
  const guard = [identify(deps), dataHeaders, requireVisitor];
  return Router()
    .get("/api/builds/:id/tests", guard, buildTestsApi(deps))
    .get("/api/repos/:owner/:name/builds/:number/tests", guard, buildTestsApi(deps))
    .get("/api/repos/:owner/:name/tests", guard, repoTestsApi(deps));
}

function loadBuildTests(deps: RouteDeps): Load {
  return async (request) => {
    const build = await buildOf(deps, request);
    if (build === undefined) return troubleOf(notFound("There is no such build"));
    const filter = filterOf(request, TESTS_PER_PAGE);
    const tests = await deps.tests.ofBuild(build, filter);
    const paging = pagingOf(`${buildPath(build)}/tests`, filter, tests?.hasMore);
    const data = { build, tests, paging };
    return { ...pageOf(data, () => buildTestsPage(data)), buildId: build.id };
  };
}

function loadRepoTests(deps: RouteDeps): Load {
  return async (request) => {
    const repo = await repoOf(deps, request);
    if (repo === undefined) return troubleOf(notFound("There is no such repo here"));
    const branch = branchOf(repo);
    const filter = filterOf(request, TESTS_PER_PAGE);
    const tests = await deps.tests.ofRepo(repo.name, branch, filter);
    const paging = pagingOf(`${repoPath(repo.name)}/tests`, filter, tests?.hasMore);
    const data = { repo: repo.name, branch, tests, paging };
    return pageOf(data, () => repoTestsPage(data));
  };
}

function buildTestsApi(deps: RouteDeps): RequestHandler {
  return async (request, response) => {
    const build = await buildOf(deps, request);
    if (build === undefined) {
      response.status(404).json({ error: "There is no such build." });
      return;
    }
    const tests = await deps.tests.ofBuild(build, filterOf(request, TESTS_MAX));
    response.json(buildTestsJson(build, tests, deps.publicUrlOf(request)));
  };
}

function repoTestsApi(deps: RouteDeps): RequestHandler {
  return async (request, response) => {
    const repo = await repoOf(deps, request);
    if (repo === undefined) {
      response.status(404).json({ error: "There is no such repo." });
      return;
    }
    const branch = branchOf(repo);
    const tests = await deps.tests.ofRepo(repo.name, branch, filterOf(request, TESTS_MAX));
    response.json(repoTestsJson(repo.name, branch, tests));
  };
}

async function buildOf({ read }: RouteDeps, request: Request): Promise<BuildView | undefined> {
  const { id, number } = request.params;
  if (id !== undefined) return await read.buildById(String(id));
  const name = repoNameOf(request);
  if (name === undefined || !/^[1-9]\d{0,8}$/.test(String(number))) return undefined;
  return await read.buildByNumber(name, Number(number));
}

async function repoOf({ read }: RouteDeps, request: Request): Promise<RepoView | undefined> {
  const name = repoNameOf(request);
  return name === undefined ? undefined : await read.repoByName(name);
}

function repoNameOf({ params }: Request): string | undefined {
  const name = `${String(params["owner"])}/${String(params["name"])}`;
  return isRepoName(name) ? name : undefined;
}

function branchOf({ defaultBranch }: RepoView): string {
  return `refs/heads/${defaultBranch ?? "main"}`;
}

function filterOf(request: Request, most: number) {
  const query = queryText(request, "q")?.trim().slice(0, 200);
  const offset = queryInteger(request, "from", { min: 0, max: OFFSET_MAX });
  const limit = queryInteger(request, "limit", { min: 1, max: TESTS_MAX });
  return {
    ...(query === undefined || query === "" ? {} : { query }),
    offset: typeof offset === "number" ? offset : 0,
    limit: typeof limit === "number" ? Math.min(limit, most) : TESTS_PER_PAGE,
  };
}

function pagingOf(path: string, filter: ReturnType<typeof filterOf>, hasMore = false): TestsPaging {
  const { query: wanted = "", offset, limit } = filter;
  return { path, wanted, offset, limit, hasMore };
}
