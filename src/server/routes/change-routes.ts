import { json, Router, type Request, type RequestHandler, type Response } from "express";
import { z } from "zod";
import { changeRequest } from "../../shared/channel-changes.ts";
import { allowanceRequest, packageName, transferRequest } from "../../shared/channel-requests.ts";
import { identify, requireVisitor, type AuthDeps } from "../auth.ts";
import type { ChannelActions } from "../changes/channel-actions.ts";
import type { Changes } from "../changes/changes.ts";
import type { Housekeeping } from "../changes/housekeeping.ts";
import { isRefused, type Refused } from "../changes/refused.ts";
import { queryText } from "./web-deps.ts";
import { dataHeaders } from "./headers.ts";

export interface ChangeRoutesDeps extends AuthDeps {
  readonly changes: Changes;
  readonly channelActions: ChannelActions;
  readonly housekeeping: Pick<Housekeeping, "sweep">;
}

const MESSAGE_MAX = "1mb";
/** Who is said to have asked; there is one token. */
export const ADMIN = "admin";

/** Changes of what channels list, and what repos may do; see docs/reference/channels.md. */
export function changeRoutes(deps: ChangeRoutesDeps): Router {
  const router = Router();
  router.use(
    ["/api/changes", "/api/allowances", "/api/names", "/api/sweeps"],
    identify(deps),
    dataHeaders,
    requireVisitor,
    json({ limit: MESSAGE_MAX }),
  );
  router.post("/api/changes", postChange(deps));
  router.get("/api/changes/:id", getChange(deps));
  router.post("/api/sweeps", postSweep(deps));
  router.get("/api/allowances", getAllowances(deps));
  router.post("/api/allowances", postAllowance(deps));
  router.post("/api/names/:name", postName(deps));
  return router;
}

function postChange({ changes }: ChangeRoutesDeps): RequestHandler {
  return async (request, response) => {
    const wish = readBody(request, response, changeRequest);
    if (wish === undefined) return;
    if (isDryRun(request)) return answer(response, await changes.plan(wish));
    const result = await changes.apply(wish, ADMIN, goneSignal(response));
    const isUnderWay =
      !isRefused(result) && (result.state === "queued" || result.state === "running");
    answer(response, result, isUnderWay ? 202 : 200);
  };
}

function getChange({ changes }: ChangeRoutesDeps): RequestHandler {
  return async (request, response) => {
    const result = await changes.find(String(request.params["id"]));
    if (result !== undefined) return void response.json(result);
    response.status(404).json({
      error: "There is no such change.",
      hint: "POST /api/changes answers with the change's publishId.",
    });
  };
}

function postSweep({ housekeeping }: ChangeRoutesDeps): RequestHandler {
  return async (request, response) => {
    const wish = { by: ADMIN, dryRun: isDryRun(request) };
    response.status(202).json({ publishId: await housekeeping.sweep(wish) });
  };
}

function getAllowances({ channelActions }: ChangeRoutesDeps): RequestHandler {
  return async (request, response) => {
    const rows = await channelActions.allowances(queryText(request, "repo"));
    response.json({
      allowances: rows.map(({ repo, rule, subject, by, createdAt }) => ({
        repo,
        rule,
        subject,
        by,
        createdAt: new Date(createdAt).toISOString(),
      })),
    });
  };
}

function postAllowance({ channelActions }: ChangeRoutesDeps): RequestHandler {
  return async (request, response) => {
    const wish = readBody(request, response, allowanceRequest);
    if (wish !== undefined) answer(response, await channelActions.allow(wish, ADMIN));
  };
}

function postName({ channelActions }: ChangeRoutesDeps): RequestHandler {
  return async (request, response) => {
    const wish = readBody(request, response, transferRequest);
    const name = packageName.safeParse(request.params["name"]);
    if (wish === undefined) return;
    if (!name.success) {
      return answer(response, badRequest("name: a package's name has letters, digits and `._+-`."));
    }
    await channelActions.transfer(name.data, wish.repo);
    answer(response, { name: name.data, repo: wish.repo });
  };
}

export function isDryRun(request: Request): boolean {
  const value = queryText(request, "dry-run");
  return value === "1" || value === "true";
}

/** Aborted when whoever asked has gone: nobody waits for the answer any more. */
export function goneSignal(response: Response): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  return gone.signal;
}

/** The body as `schema` wants it; undefined when it has been answered what is wrong. */
export function readBody<T extends z.ZodType>(
  request: Request,
  response: Response,
  schema: T,
): z.output<T> | undefined {
  const parsed = schema.safeParse(request.body ?? {});
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(
    ({ path, message }) => `${path.join(".") || "the body"}: ${message}`,
  );
  answer(response, badRequest(lines.join("; ")));
  return undefined;
}

export function badRequest(error: string): Refused {
  return { kind: "refused", status: 400, error, hint: "docs/reference/channels.md has examples." };
}

/** An answer, or why there is none. */
export function answer(response: Response, result: object | Refused, status = 200): void {
  if (!isRefused(result)) return void response.status(status).json(result);
  const { kind: _kind, status: refusedStatus, ...said } = result;
  response.status(refusedStatus).json(said);
}
