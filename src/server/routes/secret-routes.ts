import {
  json,
  Router,
  type ErrorRequestHandler,
  type RequestHandler,
  type Response,
} from "express";
import { patternProblem } from "../../domain/patterns.ts";
import {
  isSecretName,
  SECRET_BYTES_MAX,
  SECRET_CHARACTERS_MIN,
} from "../../domain/secret-rules.ts";
import { secretRequest } from "../../shared/trigger-requests.ts";
import { identify, requireVisitor, visitorOf, type AuthDeps } from "../auth.ts";
import type { Secrets } from "../secrets.ts";
import type { StoredSecret } from "../store/secrets.ts";
import type { Triggers } from "../triggers.ts";
import { dataHeaders } from "./headers.ts";
import { repoOf } from "./trigger-routes.ts";

const SECRETS = "/api/repos/:owner/:name/secrets";

export interface SecretRoutesDeps extends AuthDeps {
  readonly secrets: Pick<Secrets, "set" | "remove" | "list">;
  readonly triggers: Pick<Triggers, "knowsRepo">;
}

/** A repo's secrets. Values go in and never come out again. */
export function secretRoutes(deps: SecretRoutesDeps): Router {
  const router = Router();
  // Also their names are nobody's business but those who may set them.
  router.use(SECRETS, identify(deps), dataHeaders, requireVisitor, onlyAdmin);
  router.get(SECRETS, list(deps));
  router.put(`${SECRETS}/:secret`, json({ limit: "200kb" }), put(deps));
  router.delete(`${SECRETS}/:secret`, remove(deps));
  router.use(SECRETS, badBody);
  return router;
}

const onlyAdmin: RequestHandler = (_request, response, next) => {
  if (visitorOf(response) === "admin") return next();
  refuse(response, 403, "Secrets need the admin token.", "Send it as bearer.");
};

/** A parser quotes what it could not read, and that may be a value. */
const badBody: ErrorRequestHandler = (err: unknown, _request, response, next) => {
  const status: unknown = (err as { status?: unknown } | null)?.status;
  if (typeof status !== "number" || status >= 500) return next(err);
  refuse(response, status, "The body cannot be read.", "Send JSON of at most 200 KB.");
};

function refuse(response: Response, status: number, error: string, hint: string): void {
  response.status(status).json({ error, hint });
}

function list({ secrets }: SecretRoutesDeps): RequestHandler {
  return async (request, response) => {
    const repo = repoOf(request, response);
    if (repo === undefined) return;
    response.json({ secrets: (await secrets.list(repo)).map(secretJson) });
  };
}

function secretJson(secret: StoredSecret) {
  const at = (instant: number | null) =>
    instant === null ? null : new Date(instant).toISOString();
  const { name, branches, pullRequests, lastUsedBy } = secret;
  return {
    name,
    branches,
    pullRequests,
    createdAt: at(secret.createdAt),
    updatedAt: at(secret.updatedAt),
    lastUsedAt: at(secret.lastUsedAt),
    lastUsedBy,
  };
}

function put({ secrets, triggers }: SecretRoutesDeps): RequestHandler {
  return async (request, response) => {
    const repo = repoOf(request, response);
    if (repo === undefined) return;
    const name = String(request.params["secret"]);
    const parsed = secretRequest.safeParse(request.body);
    if (!parsed.success) {
      // What the value was is never part of an answer.
      const field = parsed.error.issues[0]?.path.join(".") || "the body";
      return refuse(response, 400, `${field} is not as expected.`, "docs/reference/api.md has it.");
    }
    const { value, branches = null, pullRequests = false } = parsed.data;
    const problem = problemOf(name, value, branches);
    if (problem !== undefined) return refuse(response, 400, ...problem);
    if (!(await triggers.knowsRepo(repo))) {
      return refuse(
        response,
        404,
        `There is no repo ${repo} here.`,
        "Its first push makes it known.",
      );
    }
    const result = await secrets.set({ repo, name, value, branches, pullRequests });
    response.status(result === "new" ? 201 : 200).json({ name, result });
  };
}

function problemOf(
  name: string,
  value: string,
  branches: readonly string[] | null,
): readonly [string, string] | undefined {
  if (!isSecretName(name)) {
    return [`${name} is no name of a secret.`, "Letters, digits and _: NPM_TOKEN."];
  }
  if (value.trim().length < SECRET_CHARACTERS_MIN) {
    const why = "Shorter ones cannot be hidden in logs.";
    return [`A secret has at least ${SECRET_CHARACTERS_MIN} characters.`, why];
  }
  if (Buffer.byteLength(value) > SECRET_BYTES_MAX || value.includes("\u0000")) {
    return ["A secret is text of at most 64 KiB.", "Keep a file elsewhere, and its key here."];
  }
  for (const pattern of branches ?? []) {
    const problem = patternProblem(pattern);
    if (problem !== undefined) return [`branches: ${problem}`, "Such as main or release/*."];
  }
  return undefined;
}

function remove({ secrets }: SecretRoutesDeps): RequestHandler {
  return async (request, response) => {
    const repo = repoOf(request, response);
    if (repo === undefined) return;
    const name = String(request.params["secret"]);
    if (await secrets.remove(repo, name)) return void response.json({ name, result: "removed" });
    refuse(
      response,
      404,
      `${repo} has no secret ${name}.`,
      `GET /api/repos/${repo}/secrets lists them.`,
    );
  };
}
