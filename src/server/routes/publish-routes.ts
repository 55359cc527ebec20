import { json, Router, type Request } from "express";
import { LEASE_MS } from "../../domain/attempt.ts";
import type { Logger } from "../../shared/logger.ts";
import {
  claimRequest,
  faultMessage,
  PATHS,
  publishCheckRequest,
  publishFailMessage,
  startedRequest,
  switchRequest,
  type PublishGrant,
  type Refusal,
} from "../../shared/protocol.ts";
import type { Announcer } from "../announcer.ts";
import type { ArtifactFiles } from "../artifact-files.ts";
import type { Changed } from "../store/builds.ts";
import { faultPublish, handBackPublish, losePublishesOf } from "../store/publish-attempts.ts";
import {
  checkPackages,
  claimPublish,
  failPublish,
  leasedPublish,
  renewPublishLease,
  switchChannels,
} from "../store/publishes.ts";
import type { Store, Tx } from "../store/store.ts";
import { answerOrStale, leaseTokenOf, onlyWorkers } from "./worker-auth.ts";

const MESSAGE_MAX = "8mb";

export interface PublishRoutesDeps {
  readonly store: Store;
  readonly announcer: Announcer;
  readonly artifacts: ArtifactFiles;
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
    const { worker } = claimRequest.parse(request.body);
    const token = deps.newToken();
    const granted = await store.write((tx) => claimPublish(tx, worker, token));
    if (granted === undefined) return void response.status(204).end();
    const { publish, build, channels, packages } = granted;
    announcer.announce({ buildId: build.id });
    const grant: PublishGrant = {
      publishId: publish.id,
      lease: { token, attempt: publish.attempt, leaseMs: LEASE_MS },
      build: {
        id: build.id,
        repo: build.repo,
        number: build.number,
        sha: build.sha ?? build.after,
        ref: build.ref,
        defaultBranch: build.defaultBranch,
        url: store.buildUrl(build.repo, build.number),
      },
      channels: [...channels],
      packages: [...packages],
    };
    response.json(grant);
  });
}

/** What it asks and fetches while it prepares. */
function addProgressRoutes(router: Router, deps: PublishRoutesDeps): void {
  const { store } = deps;
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
    answerOrStale(response, publish && (await checkPackages(store, question)));
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
    if (changed !== undefined) announcer.announce(changed);
    return changed && {};
  };

  router.post(`${ONE}/switch`, json({ limit: MESSAGE_MAX }), async (request, response) => {
    const wish = switchRequest.parse(request.body);
    const { id } = request.params;
    const token = leaseTokenOf(request);
    const switched = await store.write((tx) => switchChannels(tx, id, token, wish));
    if (switched !== undefined && "taken" in switched) {
      const hint = "Raise Release in the spec file, or push a new tag.";
      const refusal: Refusal = { code: "NEVRA_TAKEN", message: switched.taken, hint };
      return void response.status(422).json(refusal);
    }
    if (switched !== undefined) announcer.announce(switched.changed);
    answerOrStale(response, switched?.answer);
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
    const answer = await settle(request, (tx, id, token) => faultPublish(tx, id, token, fault));
    answerOrStale(response, answer);
  });

  router.post(`${ONE}/hand-back`, async (request, response) => {
    answerOrStale(response, await settle(request, handBackPublish));
  });
}
