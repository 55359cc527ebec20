import express, { json, Router, type RequestHandler, type Response } from "express";
import { drainRequest } from "../../shared/trigger-requests.ts";
import { identify, requireVisitor, visitorOf, type AuthDeps } from "../auth.ts";
import type { Drains, WorkerView } from "../drains.ts";
import { readBody } from "./change-routes.ts";
import { dataHeaders } from "./headers.ts";

const ONE = "/api/workers/:id";

export interface WorkerRoutesDeps extends AuthDeps {
  readonly drains: Drains;
}

/** Who builds and publishes here, and taking one of them out of service. */
export function workerRoutes(deps: WorkerRoutesDeps): Router {
  const { drains } = deps;
  const router = Router();
  const known = [identify(deps), dataHeaders, requireVisitor] as const;
  router.get("/api/workers", ...known, async (_request, response) => {
    response.json({ workers: (await drains.list()).map(workerJson) });
  });
  router.post(`${ONE}/drain`, ...known, json({ limit: "10kb" }), async (request, response) => {
    const wish = readBody(request, response, drainRequest);
    if (wish === undefined) return;
    const { note = null, now = false } = wish;
    const id = String(request.params["id"]);
    answer(
      response,
      id,
      (await drains.drain(id, { note, now })) ? await find(deps, id) : undefined,
    );
  });
  router.post(`${ONE}/resume`, ...known, async (request, response) => {
    const id = String(request.params["id"]);
    answer(response, id, (await drains.resume(id)) ? await find(deps, id) : undefined);
  });
  router.delete(ONE, ...known, async (request, response) => {
    const id = String(request.params["id"]);
    const result = await drains.forget(id);
    if (result === true) return void response.json({ id, result: "forgotten" });
    if (result === undefined) return answer(response, id, undefined);
    const hint = "Only one is forgotten that nobody has heard of for a minute: stop it first.";
    response.status(409).json({ error: result, hint });
  });
  const form = express.urlencoded({ extended: false, limit: "10kb" });
  router.post("/workers/:id/:act", identify(deps), onlyAdmin, form, formAct(deps));
  return router;
}

const onlyAdmin: RequestHandler = (_request, response, next) => {
  if (visitorOf(response) === "admin") next();
  else next("router");
};

function formAct({ drains }: WorkerRoutesDeps): RequestHandler {
  return async (request, response, next) => {
    const id = String(request.params["id"]);
    const act = String(request.params["act"]);
    if (act === "drain") await drains.drain(id, { note: null, now: false });
    else if (act === "resume") await drains.resume(id);
    else return next("router");
    response.redirect(303, "/workers");
  };
}

async function find({ drains }: WorkerRoutesDeps, id: string): Promise<WorkerView | undefined> {
  return (await drains.list()).find((worker) => worker.id === id);
}

function answer(response: Response, id: string, worker: WorkerView | undefined): void {
  if (worker !== undefined) return void response.json(workerJson(worker));
  const hint = "GET /api/workers lists them.";
  response.status(404).json({ error: `There is no worker ${id}.`, hint });
}

function workerJson(worker: WorkerView) {
  const at = (instant: number | null) =>
    instant === null ? null : new Date(instant).toISOString();
  const { id, kind, state, says, arch, version, slots, protocolLowest, protocolHighest } = worker;
  return {
    id,
    kind,
    state,
    says,
    running: worker.running.length,
    slots,
    arch,
    version,
    protocol: { lowest: protocolLowest, highest: protocolHighest },
    firstSeenAt: at(worker.firstSeenAt),
    seenAt: at(worker.seenAt),
    drainingAt: at(worker.drainingAt),
    drainUntilAt: at(worker.drainUntilAt),
    note: worker.drainNote,
  };
}
