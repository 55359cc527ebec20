import { json, Router } from "express";
import { PATHS } from "../../shared/protocol.ts";
import { shellsRequest } from "../../shared/shell-messages.ts";
import type { Shells } from "../shells.ts";
import { onlyWorkers } from "./worker-auth.ts";

/** What a worker that keeps containers asks now and then. The shells themselves are upgrades. */
export function shellRoutes({
  shells,
  token,
}: {
  readonly shells: Shells;
  readonly token: string;
}): Router {
  const router = Router();
  router.post(PATHS.shells(), onlyWorkers(token), json(), (request, response) => {
    const { worker } = shellsRequest.parse(request.body);
    response.json({ shells: shells.wantedOf(worker) });
  });
  return router;
}
