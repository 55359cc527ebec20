import { createHash } from "node:crypto";
import type { Request, Response } from "express";
import { repoMatcher } from "../../domain/repo-patterns.ts";
import type { Logger } from "../../shared/logger.ts";
import type { IgnoredDelivery, IntakeDoor, IntakeResult } from "../intake-types.ts";
import { githubVerifier, parseGithubDelivery } from "./github.ts";
import type { SignedDelivery } from "./github.ts";
import { bodyReader } from "./read-body.ts";

export interface ReceiveDeps extends IntakeDoor {
  /** All that are valid now; empty: the route is off. */
  readonly secrets: readonly string[];
  /** `TATARA_REPOS`. */
  readonly repos: readonly string[];
  /** Absolute address of a build's page. */
  readonly buildUrl: (build: { repo: string; number: number }, request: Request) => string;
  readonly logger: Logger;
  /** Of the whole body; tests shorten it. */
  readonly bodyTimeoutMs?: number;
}

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly mustClose?: boolean;
}

type DeliveryFacts = Pick<IgnoredDelivery, "forge" | "event" | "deliveryId" | "bodyDigest">;

const DELIVERY_ID = /^[A-Za-z0-9-]{1,100}$/;
const EVENT_NAME = /^[a-z_]{1,100}$/;
/** A hook that sends every event must not fill the database with those that ask for nothing. */
const LEAVES_A_ROW: ReadonlySet<string> = new Set(["push", "ping"]);
const RETRY_AFTER_SECONDS = 30;

/**
 * Read → verify → parse → commit → answer: every prefix of it is safe. A 2xx is given only for what
 * is on disk, because no forge delivers again on its own.
 */
export function receiveGithub(deps: ReceiveDeps) {
  const readBody = bodyReader(
    deps.bodyTimeoutMs === undefined ? {} : { timeoutMs: deps.bodyTimeoutMs },
  );
  const verify = githubVerifier(deps.secrets);
  const isOurs = repoMatcher(deps.repos);

  const receive = async (request: Request, response: Response): Promise<Answer> => {
    if (deps.secrets.length === 0) return refuse(503, "TATARA_GITHUB_WEBHOOK_SECRET is not set");
    if (!isJson(request)) {
      return refuse(415, "set the webhook's content type to application/json");
    }
    const head = readHeaders(request);
    if (head === undefined) return refuse(400, "X-GitHub-Delivery or X-GitHub-Event is missing");
    const body = await readBody(request, response);
    if (body.kind === "refused") {
      // The rest of the body may still be coming, and nobody wants it.
      return { ...refuse(body.status, body.reason), mustClose: true };
    }

    const verified = await verify({ ...head, body: body.bytes });
    if (verified.kind === "unverified") return refuse(401, "the signature does not match");
    const { deliveryId, event } = head;
    const bodyDigest = digestOf(body.bytes);
    const facts = { forge: "github", event, deliveryId, bodyDigest } as const;
    if (verified.kind === "bad") return await recordBad(verified.reason, facts);
    return await take(verified.payload, facts, request);
  };

  const take = async (
    payload: unknown,
    facts: DeliveryFacts,
    request: Request,
  ): Promise<Answer> => {
    const delivery = parseGithubDelivery(facts.event, payload);
    if (delivery.kind === "bad") return await recordBad(delivery.reason, facts);
    if (delivery.kind === "ignored") return await ignore(delivery, facts);
    const { repo } = delivery.kind === "push" ? delivery.push : delivery.pullRequest;
    if (!isOurs(repo)) {
      return await ignore({ repo, reason: "the repo is outside TATARA_REPOS" }, facts);
    }
    const result =
      delivery.kind === "push"
        ? await deps.accept({ ...facts, push: delivery.push })
        : await deps.acceptPullRequest({ ...facts, pullRequest: delivery.pullRequest });
    return answerOf(result, (build) => deps.buildUrl(build, request));
  };

  const ignore = async (
    { repo, reason }: Pick<IgnoredDelivery, "repo" | "reason">,
    facts: DeliveryFacts,
  ): Promise<Answer> => {
    if (!LEAVES_A_ROW.has(facts.event)) return { status: 200, body: { kind: "ignored", reason } };
    return { status: 200, body: { ...(await deps.recordIgnored({ ...facts, repo, reason })) } };
  };

  const recordBad = async (reason: string, facts: DeliveryFacts): Promise<Answer> => {
    await deps.recordIgnored({ ...facts, repo: null, reason });
    return refuse(400, reason);
  };

  return async (request: Request, response: Response): Promise<void> => {
    const answer = await receive(request, response).catch((err: unknown): Answer => {
      // Not on disk for certain, so never a 2xx: the forge shows a failed delivery.
      deps.logger.error({ err }, "Delivery could not be recorded");
      return refuse(503, "the delivery could not be recorded; deliver again");
    });
    if (answer.status >= 400) {
      const deliveryId = request.get("x-github-delivery")?.slice(0, 100);
      deps.logger.info({ status: answer.status, ...answer.body, deliveryId }, "Delivery refused");
    }
    if (answer.status === 503) response.set("retry-after", String(RETRY_AFTER_SECONDS));
    if (answer.mustClose === true) response.set("connection", "close");
    response.status(answer.status).json(answer.body);
  };
}

function refuse(status: number, reason: string): Answer {
  return { status, body: { error: reason } };
}

function isJson(request: Request): boolean {
  return /^application\/json\s*(?:;|$)/i.test(request.headers["content-type"] ?? "");
}

/** The old SHA-1 signature is not even read. */
function readHeaders(request: Request): Omit<SignedDelivery, "body"> | undefined {
  const deliveryId = request.get("x-github-delivery") ?? "";
  const event = request.get("x-github-event") ?? "";
  if (!DELIVERY_ID.test(deliveryId) || !EVENT_NAME.test(event)) return undefined;
  return { deliveryId, event, signature: request.get("x-hub-signature-256") ?? "" };
}

function digestOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function answerOf(
  result: IntakeResult,
  urlOf: (build: { repo: string; number: number }) => string,
): Answer {
  if (result.kind === "accepted") {
    const { buildId, number, queued } = result;
    const build = { id: buildId, number, url: urlOf(result) };
    return { status: 202, body: { kind: "accepted", build, queued } };
  }
  const { kind, reason, buildId } = result;
  if (buildId === null) return { status: 200, body: { kind, reason } };
  const { repo, number } = result.kind === "duplicate" ? result : { repo: null, number: null };
  const isKnown = repo !== null && number !== null;
  const build = { id: buildId, ...(isKnown ? { number, url: urlOf({ repo, number }) } : {}) };
  return { status: 200, body: { kind, reason, build } };
}
