import { json, Router } from "express";
import { failpoint } from "../../shared/failpoints.ts";
import { claimRequest } from "../../shared/worker-messages.ts";
import { PATHS } from "../../shared/protocol.ts";
import { reportAnswer, type ReportGrant } from "../../shared/report-messages.ts";
import { answerStatus, claimStatuses } from "../store/outbox.ts";
import type { Store } from "../store/store.ts";
import { answerOrStale, onlyWorkers } from "./worker-auth.ts";

export interface ReportRoutesDeps {
  readonly store: Store;
  readonly token: string;
}

/** The report worker's half of the protocol: what the outbox wants said, and how it went. */
export function reportRoutes({ store, token }: ReportRoutesDeps): Router {
  const router = Router();
  const base = "/worker/v1/report";
  router.use(base, onlyWorkers(token));

  router.post(PATHS.reportClaim(), json(), async (request, response) => {
    claimRequest.parse(request.body);
    const rows = await store.write(claimStatuses);
    if (rows.length === 0) return void response.status(204).end();
    await failpoint("status-claim.after-commit");
    response.json({ rows: [...rows] } satisfies ReportGrant);
  });

  router.post(`${base}/:id/answer`, json(), async (request, response) => {
    const answer = reportAnswer.parse(request.body);
    const { id } = request.params;
    const isTaken = await store.write((tx) => answerStatus(tx, id, answer));
    await failpoint("status-answer.after-commit");
    answerOrStale(response, isTaken ? {} : undefined);
  });
  return router;
}
