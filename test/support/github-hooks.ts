import { createHash } from "node:crypto";
import type { SignedRequest } from "./github-deliveries.ts";
import type { CheckedRequest, GithubSchema, Operation } from "./github-schema.ts";

/** One try to deliver, as GitHub lists it. */
export interface HookDelivery {
  readonly id: number;
  readonly repo: string;
  readonly request: SignedRequest;
  readonly deliveredAt: number;
  readonly isRedelivery: boolean;
  readonly statusCode: number;
}

/** The tries of all repos' webhooks, and GitHub's API of them. */
export interface GithubHooks {
  /** Oldest first. */
  readonly deliveries: readonly HookDelivery[];
  /** How often each delivery was asked for again, by its guid. */
  readonly redeliveriesAsked: readonly string[];
  add(delivery: Omit<HookDelivery, "id" | "deliveredAt">): void;
  /** Undefined: it is no request about hooks. */
  answer(request: HookRequest): HookAnswer | undefined;
}

export interface HookRequest {
  readonly method: string;
  readonly path: string;
  readonly token: string | undefined;
  readonly checked: (path: Record<string, string>) => CheckedRequest;
}

export interface HookAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly problems: readonly string[];
}

export interface GithubHooksOptions {
  readonly schema: GithubSchema;
  readonly apiUrl: string;
  readonly hookToken: string;
  /** Where deliveries go; undefined: there is no hook. */
  readonly target: () => string | undefined;
  readonly redeliver: (delivery: HookDelivery) => void;
}

const HOOK_ID = 292_430_182;
const NOT_FOUND = { status: 404, body: { message: "Not Found" }, problems: [] } as const;

export function createGithubHooks(options: GithubHooksOptions): GithubHooks {
  const { schema, apiUrl, hookToken } = options;
  const deliveries: HookDelivery[] = [];
  const redeliveriesAsked: string[] = [];

  const honest = (operation: Operation, status: number, body: unknown): HookAnswer => {
    const problems = operation.problemsOfAnswer(status, body);
    return { status, body, problems: problems.map((one) => `the double's answer: ${one}`) };
  };

  const listDeliveries = (path: Record<string, string>, request: CheckedRequest): HookAnswer => {
    const repo = `${path["owner"]}/${path["repo"]}`;
    const perPage = Math.min(Number(request.query["per_page"] ?? 30), 100);
    const before = Number(/^v1_(\d+)$/.exec(request.query["cursor"] ?? "")?.[1] ?? Infinity);
    const wanted = request.query["status"];
    const all = deliveries
      .filter((one) => one.repo === repo && one.id < before)
      .filter(({ statusCode: code }) => wanted !== "failure" || code >= 400)
      .toReversed();
    const page = all.slice(0, perPage);
    const answer = honest(schema.listHookDeliveries, 200, page.map(itemOf));
    const etag = `W/"${createHash("sha256").update(JSON.stringify(answer.body)).digest("hex")}"`;
    if (request.headers["if-none-match"] === etag) return { status: 304, body: "", problems: [] };
    const next = `${apiUrl}/repos/${repo}/hooks/${HOOK_ID}/deliveries?per_page=${perPage}&cursor=v1_${page.at(-1)?.id}`;
    const link = all.length > perPage ? { link: `<${next}>; rel="next"` } : {};
    return { ...answer, headers: { etag, ...link } };
  };

  const redeliver = (path: Record<string, string>): HookAnswer => {
    const found = deliveries.find(({ id }) => id === Number(path["delivery_id"]));
    if (found === undefined) return NOT_FOUND;
    redeliveriesAsked.push(found.request.deliveryId);
    options.redeliver(found);
    return honest(schema.redeliver, 202, {});
  };

  return {
    deliveries,
    redeliveriesAsked,
    add: (delivery) => {
      deliveries.push({ ...delivery, id: deliveries.length + 1, deliveredAt: Date.now() });
    },
    answer: ({ method, path, token, checked }) => {
      const { listHooks, listHookDeliveries, redeliver: asked } = schema;
      const operation = [listHooks, listHookDeliveries, asked].find((one) =>
        one.match(method, path),
      );
      const parameters = operation?.match(method, path);
      if (operation === undefined || parameters === undefined) return undefined;
      const request = checked(parameters);
      const problems = operation.problemsOf(request);
      if (problems.length > 0) return { status: 422, body: { message: "Unprocessable" }, problems };
      // GitHub hides what a credential may not see.
      if (token !== hookToken) return NOT_FOUND;
      if (operation === listHooks) {
        const url = options.target();
        return honest(listHooks, 200, url === undefined ? [] : [hookOf(url, apiUrl, parameters)]);
      }
      if (parameters["hook_id"] !== String(HOOK_ID)) return NOT_FOUND;
      return operation === asked ? redeliver(parameters) : listDeliveries(parameters, request);
    },
  };
}

function itemOf(delivery: HookDelivery): unknown {
  const { id, request, deliveredAt, isRedelivery, statusCode } = delivery;
  return {
    id,
    guid: request.deliveryId,
    delivered_at: new Date(deliveredAt).toISOString().replace(/\.\d+Z$/, "Z"),
    redelivery: isRedelivery,
    duration: 0.27,
    status: statusCode < 400 ? "OK" : "failed to connect to host",
    status_code: statusCode,
    event: request.headers["x-github-event"],
    action: null,
    installation_id: null,
    repository_id: 186_853_002,
    throttled_at: null,
  };
}

function hookOf(url: string, apiUrl: string, path: Readonly<Record<string, string>>): unknown {
  const self = `${apiUrl}/repos/${path["owner"]}/${path["repo"]}/hooks/${HOOK_ID}`;
  return {
    type: "Repository",
    id: HOOK_ID,
    name: "web",
    active: true,
    events: ["push", "pull_request"],
    config: { content_type: "json", insecure_ssl: "0", url, secret: "********" },
    updated_at: "2026-11-01T10:00:00Z",
    created_at: "2026-11-01T10:00:00Z",
    url: self,
    test_url: `${self}/tests`,
    ping_url: `${self}/pings`,
    deliveries_url: `${self}/deliveries`,
    last_response: { code: null, status: "unused", message: null },
  };
}
