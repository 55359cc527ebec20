import { json, Router } from "express";
import { reportsMessage } from "../../shared/build-messages.ts";
import type { Logger } from "../../shared/logger.ts";
import { stepName } from "../../shared/message-parts.ts";
import { PATHS } from "../../shared/protocol.ts";
import type { Announcer } from "../announcer.ts";
import type { Store } from "../store/store.ts";
import { sweepReports } from "../store/test-retention.ts";
import { recordReports } from "../store/test-writes.ts";
import { answerOrStale, leaseTokenOf, onlyWorkers } from "./worker-auth.ts";

/** As much as 5,000 results of usual length; workers send fewer when theirs are long. */
const PART_MAX = "8mb";

export interface TestReportRoutesDeps {
  readonly store: Store;
  readonly announcer: Announcer;
  readonly logger: Logger;
  readonly token: string;
}

/** Takes what the reports of a step say, part by part, fenced by the lease's token. */
export function testReportRoutes(deps: TestReportRoutesDeps): Router {
  const { store, announcer, logger } = deps;
  const path = PATHS.reports(":id", ":step");
  return Router().post(
    path,
    onlyWorkers(deps.token),
    json({ limit: PART_MAX }),
    async (request, response) => {
      const message = reportsMessage.parse(request.body);
      const step = stepName.parse(request.params["step"]);
      const lease = { jobId: String(request.params["id"]), token: leaseTokenOf(request) };
      const changed = await recordReports(store, lease, step, message);
      if (changed?.completedReport !== undefined) {
        announcer.announce(changed);
        // Nobody waits for this; what it does not get to, the next report does.
        sweepReports(store, changed.completedReport).catch((err: unknown) =>
          logger.warn({ err }, "Old test results could not be removed"),
        );
      }
      answerOrStale(response, changed && {});
    },
  );
}
