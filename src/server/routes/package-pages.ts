import { Router } from "express";
import { notFound } from "../pages/error.ts";
import { packagePage } from "../pages/package.ts";
import { FILES_PER_PAGE } from "../pages/package-details.ts";
import { packagesPage } from "../pages/packages.ts";
import type { PackageView } from "../views.ts";
import { firstNames, namesPage } from "./channel-pages.ts";
import { livePage, pageOf, troubleOf, type Load } from "./live-page.ts";
import { queryInteger, queryText, type RouteDeps } from "./web-deps.ts";

/** Packages by name. */
export function packagePages(deps: RouteDeps): Router {
  return Router()
    .get("/packages", livePage(deps, loadPackages(deps)))
    .get("/packages/:name", livePage(deps, loadPackage(deps)));
}

function loadPackages({ read }: RouteDeps): Load {
  return async (request) => {
    const { facts, filter } = namesPage(request);
    const { versions: names, nextAfter } = firstNames(await read.listPackages(filter));
    const data = { ...facts, names, nextAfter };
    return pageOf(data, (context) => packagesPage(data, context));
  };
}

function loadPackage({ read, packageDetails, keyFingerprint }: RouteDeps): Load {
  return async (request) => {
    const versions = await read.packagesByName(String(request.params["name"]));
    const wanted = queryText(request, "nevra");
    const chosen =
      wanted === undefined ? mostWanted(versions) : versions.find(({ nevra }) => nevra === wanted);
    if (chosen === undefined) return troubleOf(notFound("There is no such package"));
    const from = queryInteger(request, "files-from", { min: 0, max: 10_000_000 });
    const filesFrom = typeof from === "number" ? from : 0;
    const [details, build, key] = await Promise.all([
      packageDetails(chosen, { from: filesFrom, count: FILES_PER_PAGE }),
      chosen.buildId === null ? undefined : read.buildById(chosen.buildId),
      keyFingerprint(),
    ]);
    const data = { versions, chosen, details, filesFrom, build, keyFingerprint: key };
    return pageOf(data, (context) => packagePage(data, context));
  };
}

/** The newest that hosts can install. */
function mostWanted(versions: readonly PackageView[]): PackageView | undefined {
  const main = versions.filter(({ arch }) => arch !== "src");
  return main.find(({ listings }) => listings.length > 0) ?? main[0] ?? versions[0];
}
