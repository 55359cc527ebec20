import { json, Router, type Request } from "express";
import { LEASE_MS } from "../../domain/attempt.ts";
import type { Logger } from "../../shared/logger.ts";
import { failpoint } from "../../shared/failpoints.ts";
import { claimRequest, faultMessage, startedRequest } from "../../shared/worker-messages.ts";
import { PATHS } from "../../shared/protocol.ts";
import {
  publishCheckRequest,
  publishDoneMessage,
  publishFailMessage,
  publishProgressMessage,
  switchRequest,
} from "../../shared/publish-messages.ts";
import { isDiskFault } from "../../shared/disk-errors.ts";
import type { Announcer } from "../announcer.ts";
import type { ArtifactFiles } from "../artifact-files.ts";
import type { DiskAlarm } from "../disk-alarm.ts";
import type { Changed } from "../store/builds.ts";
import { faultPublish, handBackPublish, losePublishesOf } from "../store/publish-attempts.ts";
import { checkPublish } from "../store/publish-checks.ts";
import { switchPublishes } from "../store/publish-switch.ts";
import {
  claimPublish,
  donePublish,
  failPublish,
  leasedPublish,
  recordProgress,
  renewPublishLease,
} from "../store/publishes.ts";
import type { Store, Tx } from "../store/store.ts";
import { noteWorker, speaksWithUs } from "../store/workers.ts";
import { answerOrStale, leaseTokenOf, onlyWorkers } from "./worker-auth.ts";

const MESSAGE_MAX = "8mb";
/** An import of 100,000 packages is 70 MB. Only the publish worker's token comes this far. */
const SWITCH_MAX = "256mb";

export interface PublishRoutesDeps {
  readonly store: Store;
  readonly announcer: Announcer;
  readonly artifacts: ArtifactFiles;
  readonly disk: Pick<DiskAlarm, "noteWorker">;
  readonly logger: Logger;
  readonly token: string;
  readonly newToken: () => string;
}

/** The publish workers' half of the protocol. */
export function publishRoutes(deps: PublishRoutesDeps): Router {
  const router = Router();
  router.use(BASE, onlyWorkers(deps.token));
  addClaimRoutes(router, deps);
  addProgressRoutes(router, deps);
  addEndRoutes(router, deps);
  return router;
}

const NOTHING_CLAIMED = { grant: undefined, changes: [] };

const BASE = "/worker/v1/publish";
const ONE = `${BASE}/:id`;

/** What a worker asks before it has a lease. */
function addClaimRoutes(router: Router, deps: PublishRoutesDeps): void {
  const { store, announcer } = deps;

  router.post(PATHS.publishStarted(), json(), async (request, response) => {
    const { worker } = startedRequest.parse(request.body);
    const changes = await store.write((tx) => losePublishesOf(tx, worker));
    changes.forEach(announcer.announce);
    response.json({});
  });

  router.post(PATHS.publishClaim(), json(), async (request, response) => {
    const claim = claimRequest.parse(request.body);
    if (!speaksWithUs(claim.protocol)) {
      await store.write((tx) => noteWorker(tx, "publish", claim));
      response.status(426).json({ error: "This worker is of another version: upgrade it." });
      return;
    }
    const token = deps.newToken();
    const { grant, changes } = await store.write(async (tx) => {
      const { mayClaim } = await noteWorker(tx, "publish", claim);
      return mayClaim ? await claimPublish(tx, claim.worker, token) : NOTHING_CLAIMED;
    });
    if (grant !== undefined) await failpoint("publish-claim.after-commit");
    changes.forEach(announcer.announce);
    if (grant === undefined) response.status(204).end();
    else response.json(grant);
  });
}

/** What it asks and fetches while it prepares. */
function addProgressRoutes(router: Router, deps: PublishRoutesDeps): void {
  const { store, announcer } = deps;
  router.post(`${ONE}/heartbeat`, async (request, response) => {
    const { id } = request.params;
    const answer = await store.write((tx) => renewPublishLease(tx, id, leaseTokenOf(request)));
    answerOrStale(response, answer && { leaseMs: LEASE_MS, cancel: answer.cancel });
  });

  router.get(`${ONE}/packages/:sha256`, async (request, response) => {
    const { id, sha256 } = request.params;
    const publish = await leasedPublish(store, id, leaseTokenOf(request));
    if (publish === undefined) return answerOrStale(response, undefined);
    const file = await deps.artifacts.find(sha256);
    if (file === undefined) return void response.status(404).json({ error: "no such file" });
    response.set("content-type", "application/x-rpm");
    response.sendFile(file.path, { dotfiles: "allow" });
  });

  router.post(`${ONE}/check`, json({ limit: MESSAGE_MAX }), async (request, response) => {
    const question = publishCheckRequest.parse(request.body);
    const publish = await leasedPublish(store, request.params.id, leaseTokenOf(request));
    answerOrStale(response, publish && (await checkPublish(store, publish, question)));
  });

  router.post(`${ONE}/progress`, json(), async (request, response) => {
    const progress = publishProgressMessage.parse(request.body);
    const { id } = request.params;
    const token = leaseTokenOf(request);
    const changed = await store.write((tx) => recordProgress(tx, id, token, progress));
    if (changed !== undefined) announcer.announce(changed);
    answerOrStale(response, changed && {});
  });
}

/** How it ended. */
function addEndRoutes(router: Router, deps: PublishRoutesDeps): void {
  const { store, announcer } = deps;
  const settle = async (
    request: Request<{ id: string }>,
    work: (tx: Tx, id: string, token: string) => Promise<Changed | undefined>,
  ): Promise<object | undefined> => {
    const changed = await store.write((tx) => work(tx, request.params.id, leaseTokenOf(request)));
    await failpoint("publish-end.after-commit");
    if (changed !== undefined) announcer.announce(changed);
    return changed && {};
  };

  router.post(PATHS.publishSwitch(), json({ limit: SWITCH_MAX }), async (request, response) => {
    const wish = switchRequest.parse(request.body);
    await failpoint("switch.before-commit");
    const { answer, changes } = await store.write((tx) => switchPublishes(tx, wish));
    await failpoint("switch.after-commit");
    changes.forEach(announcer.announce);
    response.json(answer);
  });

  router.post(`${ONE}/done`, json({ limit: MESSAGE_MAX }), async (request, response) => {
    const done = publishDoneMessage.parse(request.body);
    const answer = await settle(request, (tx, id, token) => donePublish(tx, id, token, done));
    answerOrStale(response, answer);
  });

  router.post(`${ONE}/fail`, json({ limit: MESSAGE_MAX }), async (request, response) => {
    const { failure } = publishFailMessage.parse(request.body);
    const answer = await settle(request, (tx, id, token) => failPublish(tx, id, token, failure));
    answerOrStale(response, answer);
  });

  router.post(`${ONE}/fault`, json(), async (request, response) => {
    const fault = faultMessage.parse(request.body);
    deps.logger.warn(
      { publishId: request.params.id, ...fault },
      "Publish ended with a fault of ours",
    );
    if (isDiskFault(fault)) deps.disk.noteWorker("publish", fault.message);
    const answer = await settle(request, (tx, id, token) => faultPublish(tx, id, token, fault));
    answerOrStale(response, answer);
  });

  router.post(`${ONE}/hand-back`, async (request, response) => {
    answerOrStale(response, await settle(request, handBackPublish));
  });
}
