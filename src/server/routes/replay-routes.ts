import { Router, type RequestHandler } from "express";
import type { JobSpec } from "../../domain/job-spec.ts";
import type { StepDetails } from "../../shared/build-messages.ts";
import type { ReplayedJob } from "../../shared/local-messages.ts";
import { identify, requireVisitor, type AuthDeps } from "../auth.ts";
import { buildFactsOf } from "../store/build-grants.ts";
import { findBuild } from "../store/builds.ts";
import { plannedOf, type PlannedRow } from "../store/planned-jobs.ts";
import type { Store } from "../store/store.ts";
import { dataHeaders } from "./headers.ts";

/** What a build was made of, for whoever runs it again on another machine. */
export function replayRoutes(deps: AuthDeps & { readonly store: Store }): Router {
  const router = Router();
  const guards = [identify(deps), dataHeaders, requireVisitor];
  router.get("/api/builds/:id/plan", guards, showPlan(deps));
  return router;
}

function showPlan({ store }: { readonly store: Store }): RequestHandler {
  return async (request, response) => {
    const build = await findBuild(store, String(request.params["id"]));
    if (build === undefined) {
      return void response.status(404).json({ error: "There is no such build." });
    }
    const rows = await plannedOf(store, build.id);
    if (rows.length === 0) {
      const error = "This build has no plan: its pipeline file was never read.";
      return void response.status(409).json({ error });
    }
    const ids = rows.map(({ id }) => id);
    response.json({
      build: buildFactsOf(store, build),
      jobs: rows.map((row) => jobOf(row, ids)),
    });
  };
}

function jobOf(row: PlannedRow, ids: readonly string[]): ReplayedJob {
  const spec = JSON.parse(row.specJson) as JobSpec;
  const needs = (JSON.parse(row.needsJson) as string[]).map((id) => ids.indexOf(id));
  const images = spec.tests.flatMap(({ step, image }) => {
    const { detailsJson = null } = row.steps.find(({ name }) => name === step) ?? {};
    const details = detailsJson === null ? null : (JSON.parse(detailsJson) as StepDetails);
    return details?.image == null ? [] : [[image, details.image] as const];
  });
  return {
    // Only its type is deeper: messages are mutable, records are not.
    spec: spec as ReplayedJob["spec"],
    needs: needs.filter((at) => at !== -1),
    skip: row.state === "skipped" ? (row.reason ?? "it was left out") : null,
    images: Object.fromEntries(images),
  };
}
