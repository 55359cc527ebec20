import { Router, type RequestHandler, type Response } from "express";
import { identify, requireVisitor } from "../auth.ts";
import { compareBuilds } from "../compare-builds.ts";
import { buildPath } from "../pages/parts.ts";
import { dataHeaders } from "./headers.ts";
import type { RouteDeps } from "./web-deps.ts";

/** Building a commit once more, to see whether its packages come out the same. */
export function rebuildRoutes(deps: RouteDeps): Router {
  const router = Router();
  const guards = [identify(deps), dataHeaders, requireVisitor];
  router.post("/api/builds/:id/rebuild", guards, rebuild(deps));
  router.get("/api/builds/:id/comparison", guards, showComparison(deps));
  return router;
}

function rebuild({ act, read, publicUrlOf }: RouteDeps): RequestHandler {
  return async (request, response) => {
    const id = String(request.params["id"]);
    const original = await read.buildById(id);
    if (original === undefined) return refuse(response, 404, "There is no such build.");
    if (original.artifacts.length === 0) {
      return refuse(response, 409, "The build made no packages that could be compared.");
    }
    const result = await act.rerun(id, "admin", { isCompared: true });
    if (typeof result === "string") {
      return refuse(
        response,
        409,
        "The build cannot be run again: it is under way, or has no commit.",
      );
    }
    const path = buildPath({ repo: original.repo, number: result.number });
    response.status(201).json({ ...result, url: publicUrlOf(request) + path });
  };
}

function showComparison({ read, artifacts }: RouteDeps): RequestHandler {
  return async (request, response) => {
    const newer = await read.buildById(String(request.params["id"]));
    if (newer === undefined) return refuse(response, 404, "There is no such build.");
    const { compareWith } = newer;
    const older = compareWith === null ? undefined : await read.buildById(compareWith.id);
    if (older === undefined) {
      return refuse(response, 409, "This build was not made to be compared with another.");
    }
    const comparison = await compareBuilds(older, newer, (sha256) => artifacts.open(sha256));
    response.json({ with: { id: older.id, number: older.number }, ...comparison });
  };
}

function refuse(response: Response, status: number, error: string): void {
  response.status(status).json({ error });
}
