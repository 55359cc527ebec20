import { createHash } from "node:crypto";
import { Router, type RequestHandler, type Response } from "express";
import { pipelineSchema } from "../../shared/pipeline-schema.ts";
import { identify, requireVisitor, visitorOf, type AuthDeps } from "../auth.ts";
import { serverNamesFor, type ServerNamesDeps } from "../server-names.ts";
import { dataHeaders } from "./headers.ts";
import { repoOf } from "./trigger-routes.ts";

export type PipelineRoutesDeps = AuthDeps & ServerNamesDeps;

/** What helps to write a pipeline file: its schema for editors, and the names that it may use. */
export function pipelineRoutes(deps: PipelineRoutesDeps): Router {
  const router = Router();
  router.get("/schema/v1.json", sendSchema());
  const known = [identify(deps), dataHeaders, requireVisitor, onlyAdmin] as const;
  router.get("/api/repos/:owner/:name/names", ...known, async (request, response) => {
    const repo = repoOf(request, response);
    if (repo !== undefined) response.json(await serverNamesFor(deps, repo));
  });
  return router;
}

/** Open to everybody: it is the same on every server of this version. */
function sendSchema(): RequestHandler {
  const schema = JSON.stringify(pipelineSchema());
  const tag = `"${createHash("sha256").update(schema).digest("base64url").slice(0, 22)}"`;
  return (request, response) => {
    response.set({
      "Content-Type": "application/schema+json; charset=utf-8",
      // Editors in browsers live on other addresses.
      "Access-Control-Allow-Origin": "*",
      "Cache-Control": "public, max-age=3600",
      "X-Content-Type-Options": "nosniff",
      ETag: tag,
    });
    if (request.get("If-None-Match") === tag) response.status(304).end();
    else response.send(schema);
  };
}

/** Names of secrets are among them. */
const onlyAdmin: RequestHandler = (_request, response: Response, next) => {
  if (visitorOf(response) === "admin") return next();
  response
    .status(403)
    .json({ error: "These names need the admin token.", hint: "Send it as bearer." });
};
