import { createHash, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { LEASE_HEADER } from "../../src/shared/protocol.ts";
import { UserFault } from "../../src/domain/faults.ts";
import { planJobs } from "../../src/domain/plan-jobs.ts";
import {
  buildGrant,
  endMessage,
  keptMessage,
  planAnswer,
  planMessage,
  reportsMessage,
  stepMessage,
} from "../../src/shared/build-messages.ts";
import { claimRequest, faultMessage } from "../../src/shared/worker-messages.ts";
import { refusal } from "../../src/shared/message-parts.ts";
import type {
  BuildGrant,
  EndMessage,
  KeptMessage,
  PlanAnswer,
  PlanMessage,
  ReportsMessage,
  StepMessage,
} from "../../src/shared/build-messages.ts";
import type { PlanFacts } from "../../src/domain/plan-facts.ts";
import { planFacts } from "./a-pipeline.ts";
import type { FaultMessage } from "../../src/shared/worker-messages.ts";
import type { Refusal } from "../../src/shared/message-parts.ts";

/** What the server was told about one attempt. */
export interface Told {
  plan: PlanMessage | undefined;
  /** State of each step in the order in which they were told: `unit running`. */
  readonly steps: string[];
  readonly ended: Map<string, StepMessage>;
  readonly logs: Map<string, Buffer>;
  readonly artifacts: Map<string, Buffer>;
  readonly kept: Map<string, KeptMessage>;
  readonly reports: Map<string, ReportsMessage[]>;
  end: EndMessage | undefined;
  fault: FaultMessage | undefined;
  isHandedBack: boolean;
  heartbeats: number;
}

/** The server's half of the build protocol for one worker at a time, checked by its own schemas. */
export interface BuildServer extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  /** What tests of other jobs of the build kept. */
  keptElsewhere: KeptMessage["files"];
  /** What the jobs are planned for; the first that runs is the planning worker's. */
  planFacts: Partial<PlanFacts>;
  /** Grants wait here to be claimed. */
  readonly waiting: BuildGrant[];
  readonly live: { jobId: string; attempt: number }[];
  told(jobId: string): Told;
  /** Resolves when the job has ended, faulted or was handed back. */
  settled(jobId: string): Promise<Told>;
  cancelled: boolean;
  /** Every request is answered 409. */
  stale: boolean;
  /** The plan is answered 422 with this. */
  refusal: Refusal | undefined;
  /** Requests are answered 503 while this is true for their path. */
  failing: (path: string) => boolean;
  /** Called before each request is answered. */
  onRequest: (path: string) => Promise<void> | void;
}

export async function startBuildServer(): Promise<BuildServer> {
  const all = new Map<string, Told>();
  const waiters: (() => void)[] = [];
  const told = (jobId: string): Told => {
    const known = all.get(jobId) ?? nothingTold();
    all.set(jobId, known);
    return known;
  };
  const isSettled = ({ end, fault, isHandedBack, plan }: Told) =>
    end !== undefined || fault !== undefined || isHandedBack || plan?.nothingToDo != null;

  const state: BuildServer = {
    url: "",
    token: "build-token-for-tests",
    waiting: [],
    live: [],
    cancelled: false,
    stale: false,
    refusal: undefined,
    planFacts: {},
    keptElsewhere: [],
    failing: () => false,
    onRequest: () => undefined,
    told,
    settled: async (jobId) => {
      while (!isSettled(told(jobId))) await new Promise<void>((resolve) => waiters.push(resolve));
      return told(jobId);
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };

  const server = createServer((request, response) => {
    answer(state, request, response).then(
      () => {
        for (const go of waiters.splice(0)) go();
      },
      (err: unknown) => response.writeHead(400).end(String(err)),
    );
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
}

function nothingTold(): Told {
  return {
    plan: undefined,
    steps: [],
    ended: new Map(),
    logs: new Map(),
    artifacts: new Map(),
    kept: new Map(),
    reports: new Map(),
    end: undefined,
    fault: undefined,
    isHandedBack: false,
    heartbeats: 0,
  };
}

async function answer(
  server: BuildServer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://x");
  const say = (status: number, body?: unknown) =>
    void response.writeHead(status).end(body === undefined ? undefined : JSON.stringify(body));
  const bytes = await buffer(request);
  await server.onRequest(url.pathname);
  if (request.headers.authorization !== `Bearer ${server.token}`) return say(401);
  if (server.failing(url.pathname)) return say(503);
  const parts = url.pathname.split("/").slice(1);
  const json = (): unknown => JSON.parse(bytes.toString() || "{}");

  if (url.pathname === "/worker/v1/build/claim") {
    claimRequest.parse(json());
    const grant = server.waiting.shift();
    return grant ? say(200, buildGrant.parse(grant)) : say(204);
  }
  if (url.pathname === "/worker/v1/build/live-attempts") return say(200, { attempts: server.live });

  const [, , , , jobId = "", verb = "", name = "", sub] = parts;
  if (server.stale || request.headers[LEASE_HEADER] === undefined) return say(409);
  const told = server.told(jobId);
  switch (sub ?? verb) {
    case "heartbeat":
      told.heartbeats += 1;
      return say(200, { leaseMs: 25_000, cancel: server.cancelled });
    case "plan":
      if (server.refusal) return say(422, refusal.parse(server.refusal));
      told.plan = planMessage.parse(json());
      return answerPlan(server, told.plan, say);
    case "kept": {
      if (request.method === "GET") return say(200, { files: server.keptElsewhere });
      const kept = keptMessage.parse(json());
      for (const { sha256 } of kept.files) {
        if (!told.artifacts.has(sha256)) throw new Error(`${sha256} was not uploaded`);
      }
      told.kept.set(name, kept);
      return say(200, {});
    }
    case "reports":
      told.reports.set(name, [...(told.reports.get(name) ?? []), reportsMessage.parse(json())]);
      return say(200, {});
    case "steps": {
      const message = stepMessage.parse(json());
      told.steps.push(`${name} ${message.state}`);
      if (message.state !== "running") told.ended.set(name, message);
      return say(200, {});
    }
    case "log": {
      const log = told.logs.get(name) ?? Buffer.alloc(0);
      const offset = Number(url.searchParams.get("offset"));
      if (offset > log.length) return say(200, { kind: "resend", fromBytes: log.length });
      const grown = Buffer.concat([log, bytes.subarray(log.length - offset)]);
      told.logs.set(name, grown);
      return say(200, { kind: "acknowledged", upToBytes: grown.length });
    }
    case "artifacts": {
      if (request.method === "GET") return void response.end(server.told("").artifacts.get(name));
      if (createHash("sha256").update(bytes).digest("hex") !== name) return say(400);
      told.artifacts.set(name, bytes);
      return say(201, {});
    }
    case "end": {
      const end = endMessage.parse(json());
      const short = Object.entries(end.logs ?? {})
        .map(([log, size]) => ({ log, size, has: told.logs.get(log)?.length ?? 0 }))
        .filter(({ size, has }) => has < size);
      if (short.length > 0) {
        return say(200, { resend: Object.fromEntries(short.map(({ log, has }) => [log, has])) });
      }
      told.end = end;
      for (const { sha256 } of told.end.packages) {
        if (!told.artifacts.has(sha256)) throw new Error(`${sha256} was not uploaded`);
      }
      return say(200, {});
    }
    case "fault":
      told.fault = faultMessage.parse(json());
      return say(200, {});
    case "hand-back":
      told.isHandedBack = true;
      return say(200, {});
    default:
      return say(404);
  }
}

/** Plans as the server does; the planning worker goes on with the first job that runs. */
function answerPlan(
  { planFacts: some }: BuildServer,
  { pipeline, changes, nothingToDo }: PlanMessage,
  say: (status: number, body?: unknown) => void,
): void {
  const target = "debian12.x86_64";
  if (nothingToDo !== null) return say(200, { target, job: null } satisfies PlanAnswer);
  const facts = { targets: [target], defaultTarget: target, changes };
  try {
    const { jobs } = planJobs(pipeline, planFacts({ ...facts, ...some }));
    const first = jobs.find(({ skip, needs }) => skip === null && needs.length === 0);
    say(200, planAnswer.parse({ target, job: first?.spec ?? null }));
  } catch (err) {
    if (!(err instanceof UserFault)) throw err;
    say(422, { code: err.code, message: err.message, hint: err.hint });
  }
}

/** A grant of a job that plans, with everything a test does not care about. */
export function aGrant(changes: {
  readonly url: string;
  readonly sha: string;
  readonly ref?: string;
  readonly job?: BuildGrant["job"];
  readonly authorization?: string | null;
  readonly secrets?: BuildGrant["secrets"];
}): BuildGrant {
  return {
    jobId: `job-${randomUUID().slice(0, 8)}`,
    lease: { token: randomUUID() + randomUUID(), attempt: 1, leaseMs: 25_000 },
    build: {
      id: "build-1",
      repo: "acme/hello",
      number: 1,
      sha: changes.sha,
      ref: changes.ref ?? "refs/heads/main",
      defaultBranch: "main",
      event: "push",
      pullRequest: null,
      trust: "trusted",
      url: "http://ci.example.com/repos/acme/hello/1",
    },
    target: "debian12.x86_64",
    job: changes.job ?? null,
    names: {
      channels: ["dev", "testing", "stable"].map((name) => ({ name, mayPublish: true })),
      targets: ["debian12.x86_64"],
      yumSources: [],
      secrets: (changes.secrets ?? []).map(({ name }) => ({ name, pullRequests: true })),
    },
    fileSha: null,
    passedAt: {},
    cacheEpoch: 0,
    verify: null,
    clone: { url: changes.url, authorization: changes.authorization ?? null },
    secrets: [...(changes.secrets ?? [])],
  };
}
