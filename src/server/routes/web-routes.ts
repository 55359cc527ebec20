import { Router } from "express";
import { assetRoutes } from "../assets.ts";
import { logLines } from "../log-lines.ts";
import { apiRoutes } from "./api-routes.ts";
import { pageRoutes } from "./pages-routes.ts";
import { rebuildRoutes } from "./rebuild-routes.ts";
import { signInRoutes } from "./sign-in-routes.ts";
import { testApi } from "./test-pages.ts";
import type { RouteDeps, WebDeps } from "./web-deps.ts";

/**
 * Everything for people and their programs: assets, sign-in, API, pages. Mounted after all other
 * routes, since what nobody answers becomes a page that says so.
 */
export function webRoutes(web: WebDeps): Router {
  const deps: RouteDeps = { ...web, lines: logLines(web.logs) };
  return Router().use(
    assetRoutes(deps.assets),
    signInRoutes(deps),
    testApi(deps),
    apiRoutes(deps),
    rebuildRoutes(deps),
    pageRoutes(deps),
  );
}
