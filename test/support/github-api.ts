import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { GithubHooks } from "./github-hooks.ts";
import type { GithubPulls } from "./github-pulls.ts";
import type { CheckedRequest, GithubSchema, Operation } from "./github-schema.ts";

/** A commit status as the forge took it, in the order it took them. */
export interface KeptStatus {
  readonly repo: string;
  readonly sha: string;
  readonly context: string;
  readonly state: string;
  readonly description: string | null;
  readonly targetUrl: string | null;
  readonly at: number;
  /** Counts requests as they arrived; one that was held up is kept after a later one. */
  readonly arrival: number;
}

/** What goes wrong with a request to the API. */
export type Fault =
  | { readonly kind: "status"; readonly status: number; readonly headers?: Record<string, string> }
  | { readonly kind: "secondary-limit"; readonly retryAfterSeconds?: number }
  | { readonly kind: "rate-limit"; readonly resetInSeconds: number }
  | { readonly kind: "moved"; readonly location: string }
  /** The connection breaks before anything is kept. */
  | { readonly kind: "reset" }
  /** The status is kept, but its answer never arrives. */
  | { readonly kind: "keep-then-reset" }
  /** Handled as usual, but only once `until` is over: an overtaken request. */
  | { readonly kind: "hold"; readonly until: Promise<unknown> }
  | { readonly kind: "delay"; readonly ms: number };

export interface FaultPlan {
  readonly fault: Fault;
  /** How many requests it hits; 1 by default. */
  readonly times?: number;
  readonly method?: "GET" | "POST";
  /** Only requests whose path contains it, such as a sha. */
  readonly path?: string;
}

/** Draws what goes wrong with a request. */
export type Weather = (request: {
  readonly method: string;
  readonly path: string;
  /** Of a status that is posted. */
  readonly state: unknown;
}) => Fault | undefined;

/** GitHub's API of commit statuses, hooks and pull requests, as far as Tatara speaks to it. */
export interface GithubApi {
  readonly statuses: readonly KeptStatus[];
  /** Of one commit and context, oldest first. */
  statusesOf(sha: string, context?: string): readonly KeptStatus[];
  /** How many requests reached the API, those with faults included. */
  requestCount(): number;
  /** Most requests that posted to one commit and context at the same time. */
  mostAtOncePerKey(): number;
  /** Only this credential posts from now on. */
  setStatusToken(token: string): void;
  inject(plan: FaultPlan): void;
  /** Asked for each request that no planned fault hits; undefined brings fair weather. */
  setWeather(weather: Weather | undefined): void;
  /** Faults that no request has met yet no longer happen, and the weather is fair. */
  heal(): void;
  /** How many requests were answered that nothing has changed. */
  notModifiedCount(): number;
  /** What requests broke of GitHub's schema since this was last asked. */
  takeViolations(): readonly string[];
  handle(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void>;
}

export interface GithubApiOptions {
  /** Address of the API, without a slash at its end. */
  readonly apiUrl: string;
  readonly statusToken: string;
  /** Does this repo have the commit? Undefined: there is no such repo. */
  readonly hasCommit: (repo: string, sha: string) => Promise<boolean | undefined>;
  readonly schema: GithubSchema;
  readonly hooks: GithubHooks;
  readonly pulls: GithubPulls;
}

interface ApiCall {
  readonly arrival: number;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
}

const STATUSES_MAX = 1_000;
const DESCRIPTION_MAX = 140;
const NOT_FOUND = { message: "Not Found", documentation_url: "https://docs.github.com/rest" };

export function createGithubApi(options: GithubApiOptions): GithubApi {
  const { schema, hooks, pulls } = options;
  const statuses: KeptStatus[] = [];
  const violations: string[] = [];
  const faults = faultQueue();
  const traffic = trafficMeter();
  let { statusToken } = options;
  let weather: Weather | undefined;
  let notModified = 0;
  let arrivals = 0;

  const handle = async (request: IncomingMessage, response: ServerResponse, url: URL) => {
    const path = url.pathname.slice(new URL(options.apiUrl).pathname.length);
    const query = Object.fromEntries(url.searchParams);
    arrivals += 1;
    const arrival = arrivals;
    const call = { request, response, path, query, arrival, body: await readBody(request) };
    const key = `${path} ${JSON.stringify(call.body["context"])}`;
    await traffic.measure(request.method === "POST" ? key : undefined, () => handleCall(call));
  };

  const handleCall = async (call: ApiCall): Promise<void> => {
    const { method = "", headers } = call.request;
    const fault =
      faults.next(method, call.path) ??
      weather?.({ method, path: call.path, state: call.body["state"] });
    if (fault !== undefined && (await spoils(fault, call))) return;
    const asking = {
      method,
      path: call.path,
      token: bearerOf(headers.authorization),
      checked: (path: Record<string, string>) => checked(call, path),
    };
    const hookAnswer = hooks.answer(asking) ?? pulls.answer(asking);
    if (hookAnswer !== undefined) {
      const { status, body, problems, headers: more } = hookAnswer;
      violations.push(...problems.map((problem) => `${method} ${call.path}: ${problem}`));
      if (status === 304) notModified += 1;
      return answer(call, status, body, more);
    }
    if (bearerOf(headers.authorization) !== statusToken) {
      return answer(call, 401, { message: "Bad credentials" });
    }
    const created = schema.createStatus.match(method, call.path);
    if (created !== undefined) return await createStatus(call, created);
    // The legacy route of the same operation, which the schema names in its description only.
    const legacy = /^(\/repos\/[^/]+\/[^/]+)\/statuses\/([^/]+)$/.exec(call.path);
    const asked = legacy === null ? call.path : `${legacy[1]}/commits/${legacy[2]}/statuses`;
    const listed = schema.listStatuses.match(method, asked);
    if (listed !== undefined) return listStatuses(call, listed);
    violations.push(`${method} ${call.path} is no operation that the double knows`);
    answer(call, 404, NOT_FOUND);
  };

  const createStatus = async (call: ApiCall, path: Record<string, string>): Promise<void> => {
    const problems = schema.createStatus.problemsOf(checked(call, path));
    if (problems.length > 0) return violated(call, problems);
    const { owner = "", repo: name = "", sha = "" } = path;
    // Of these types, or the schema would have refused it.
    const body = call.body as Readonly<Record<"state", string>> & Readonly<Record<string, string>>;
    const { state, context = "default" } = body;
    const { description = null, target_url: targetUrl = null } = body;
    const { arrival } = call;
    const kept = { repo: `${owner}/${name}`, sha, context, state, description, targetUrl, arrival };

    const hasCommit = await options.hasCommit(kept.repo, sha);
    if (hasCommit === undefined) return answer(call, 404, NOT_FOUND);
    const refusal = hasCommit ? refusalOf(kept) : `No commit found for SHA: ${sha}`;
    if (refusal !== undefined) return answer(call, 422, { message: refusal });
    statuses.push({ ...kept, at: Date.now() });
    answerHonestly(call, schema.createStatus, 201, statusBodies().at(-1)?.body);
  };

  /** What GitHub refuses although its schema allows it. */
  const refusalOf = ({ sha, context, description }: Omit<KeptStatus, "at">) => {
    if ([...(description ?? "")].length > DESCRIPTION_MAX) {
      return "Validation Failed: description is too long (maximum is 140 characters)";
    }
    const isFull = statusesOf(sha, context).length >= STATUSES_MAX;
    return isFull ? "This SHA and context has reached the maximum number of statuses." : undefined;
  };

  const listStatuses = (call: ApiCall, path: Record<string, string>): void => {
    const problems = schema.listStatuses.problemsOf(checked(call, path));
    if (problems.length > 0) return violated(call, problems);
    const perPage = Math.min(Number(call.query["per_page"] ?? 30), 100);
    const from = (Number(call.query["page"] ?? 1) - 1) * perPage;
    const found = statusBodies().filter(({ kept }) => kept.sha === path["ref"]);
    const bodies = found.toReversed().map(({ body }) => body);
    answerHonestly(call, schema.listStatuses, 200, bodies.slice(from, from + perPage));
  };

  const statusBodies = () =>
    statuses.map((kept, index) => ({ kept, body: statusBody(kept, index + 1, options.apiUrl) }));

  const statusesOf = (sha: string, context = "tatara"): readonly KeptStatus[] =>
    statuses.filter((kept) => kept.sha === sha && kept.context === context);

  const violated = (call: ApiCall, problems: readonly string[]): void => {
    violations.push(`${call.request.method} ${call.path}: ${problems.join("; ")}`);
    answer(call, 422, { message: "Validation Failed", errors: problems });
  };

  const answerHonestly = (call: ApiCall, operation: Operation, status: number, body: unknown) => {
    const problems = operation.problemsOfAnswer(status, body);
    violations.push(...problems.map((problem) => `the double's answer ${status}: ${problem}`));
    answer(call, status, body);
  };

  return {
    statuses,
    statusesOf,
    requestCount: () => traffic.count(),
    mostAtOncePerKey: () => traffic.mostAtOnce(),
    setStatusToken: (token) => {
      statusToken = token;
    },
    inject: faults.add,
    setWeather: (drawn) => {
      weather = drawn;
    },
    heal: () => {
      faults.clear();
      weather = undefined;
    },
    notModifiedCount: () => notModified,
    takeViolations: () => violations.splice(0),
    handle,
  };
}

function faultQueue() {
  const plans: { plan: FaultPlan; left: number }[] = [];
  return {
    add: (plan: FaultPlan) => void plans.push({ plan, left: plan.times ?? 1 }),
    clear: () => void plans.splice(0),
    next: (method: string, path: string): Fault | undefined => {
      const due = plans.find(({ plan, left }) => {
        return left > 0 && (plan.method ?? method) === method && path.includes(plan.path ?? "");
      });
      if (due !== undefined) due.left -= 1;
      return due?.plan.fault;
    },
  };
}

/** Counts requests, and how many of one key are under way at the same time. */
function trafficMeter() {
  const underWay = new Map<string, number>();
  let count = 0;
  let most = 0;
  return {
    count: () => count,
    mostAtOnce: () => most,
    measure: async (key: string | undefined, work: () => Promise<void>): Promise<void> => {
      count += 1;
      if (key === undefined) return await work();
      const now = (underWay.get(key) ?? 0) + 1;
      underWay.set(key, now);
      most = Math.max(most, now);
      await work().finally(() => underWay.set(key, (underWay.get(key) ?? 1) - 1));
    },
  };
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString("utf8");
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}

function checked({ request, query, body }: ApiCall, path: Record<string, string>): CheckedRequest {
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)]);
  return { path, query, headers: Object.fromEntries(headers) as Record<string, string>, body };
}

/** Answers in the fault's way; false if the request is then handled as usual. */
async function spoils(fault: Fault, call: ApiCall): Promise<boolean> {
  switch (fault.kind) {
    case "hold":
      await fault.until;
      return false;
    case "delay":
      await delay(fault.ms);
      return false;
    case "keep-then-reset":
      // Handled as usual, but the answer finds no connection.
      call.request.socket.destroy();
      return false;
    case "reset":
      call.request.socket.destroy();
      return true;
    case "moved":
      answer(call, 307, { message: "Moved" }, { location: fault.location });
      return true;
    case "status":
      answer(call, fault.status, { message: `Injected ${fault.status}` }, fault.headers);
      return true;
    case "rate-limit": {
      const resetAt = Math.ceil(Date.now() / 1_000) + fault.resetInSeconds;
      const used = { "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(resetAt) };
      answer(call, 403, { message: "API rate limit exceeded for user ID 1." }, used);
      return true;
    }
    case "secondary-limit": {
      const { retryAfterSeconds: seconds } = fault;
      const message = "You have exceeded a secondary rate limit. Please wait a few minutes.";
      const header = seconds === undefined ? {} : { "retry-after": String(seconds) };
      answer(call, 403, { message }, header);
      return true;
    }
  }
}

function answer(
  { response, request }: ApiCall,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (request.socket.destroyed) return;
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "x-github-media-type": "github.v3; format=json",
    "x-github-request-id": randomUUID(),
    "x-ratelimit-limit": "5000",
    "x-ratelimit-remaining": "4999",
    "x-ratelimit-reset": String(Math.ceil(Date.now() / 1_000) + 3_600),
    ...headers,
  });
  response.end(status === 304 ? undefined : JSON.stringify(body));
}

function statusBody(kept: KeptStatus, id: number, apiUrl: string): unknown {
  const at = new Date(kept.at).toISOString().replace(/\.\d+Z$/, "Z");
  return {
    url: `${apiUrl}/repos/${kept.repo}/statuses/${kept.sha}`,
    avatar_url: null,
    id,
    node_id: Buffer.from(`status${id}`).toString("base64"),
    state: kept.state,
    description: kept.description,
    target_url: kept.targetUrl,
    context: kept.context,
    created_at: at,
    updated_at: at,
    creator: null,
  };
}

function bearerOf(authorization = ""): string | undefined {
  return /^(?:token|bearer) (.*)$/i.exec(authorization)?.[1];
}
