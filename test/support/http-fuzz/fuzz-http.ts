import fc from "fast-check";
import { LEASE_HEADER, PATHS } from "../../../src/shared/protocol.ts";
import { aPipeline, aPlanMessage, aTest } from "../a-pipeline.ts";
import { aCalledWorld, REPO, type CalledWorld } from "../authorisation/called-world.ts";
import type { Caller } from "../authorisation/callers.ts";
import type { Door } from "../authorisation/doors.ts";
import { PARAMS } from "../authorisation/route-table.ts";
import { rawCaller, type RawAnswer, type RawCall } from "../raw-call.ts";
import { hostileCalls, type HostileCall } from "./hostile-calls.ts";

const CHUNK = 500;
const TOGETHER = 4;

export interface FuzzOutcome {
  readonly calls: number;
  /** How often each status was heard. */
  readonly statuses: Readonly<Record<string, number>>;
  /** What must never be, with the call that it came from. */
  readonly found: readonly string[];
}

/** Makes `count` hostile calls to a real server; the same seed makes the same ones. */
export async function fuzzHttp({
  seed,
  count,
  tell = () => undefined,
}: {
  readonly seed: number;
  readonly count: number;
  readonly tell?: (line: string) => void;
}): Promise<FuzzOutcome> {
  const found: string[] = [];
  const find = (what: string): void => {
    found.push(what);
    tell(what);
  };
  const crash = (err: unknown): void => find(`crash: ${String(err)}`);
  process.on("unhandledRejection", crash).on("uncaughtExceptionMonitor", crash);
  await using world = await aCalledWorld();
  using caller = rawCaller(world.server.url);
  const statuses: Record<string, number> = {};
  const fill = filler(world);
  const calls = hostileCalls();
  const one = async (drawn: HostileCall): Promise<void> => {
    const { call, shown } = await fill(drawn);
    const answer = await caller.call(call).catch((err: unknown) => err);
    const heard = answer instanceof Error ? "none" : String((answer as RawAnswer).status);
    statuses[heard] = (statuses[heard] ?? 0) + 1;
    const wrong = problemOf(drawn, answer as RawAnswer | Error);
    if (wrong !== undefined) find(`${wrong}: ${told(call)}`);
    if (drawn.rule.door !== "lease" || !heard.startsWith("2")) return;
    // What a worker was let tell is read by people, for as long as the record lives.
    for (const path of pagesOf(shown)) {
      const read = await caller.call({ method: "GET", path, headers: world.callers.admin });
      if (read.status !== 200) find(`${read.status} at ${path} after ${told(call)}`);
    }
  };
  try {
    for (let from = 0; from < count; from += CHUNK) {
      const numRuns = Math.min(CHUNK, count - from);
      const queue = fc.sample(calls, { seed: seed + from, numRuns });
      await Promise.all(Array.from({ length: TOGETHER }, () => drain(queue, one)));
      tell(`${from + numRuns} calls, ${found.length} wrong`);
    }
  } finally {
    process.off("unhandledRejection", crash).off("uncaughtExceptionMonitor", crash);
  }
  return { calls: count, statuses, found };
}

async function drain(queue: HostileCall[], one: (call: HostileCall) => Promise<void>) {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) await one(next);
}

function pagesOf({ id, number }: Shown): readonly string[] {
  const page = `/repos/${REPO}/${number}`;
  return [`/api/builds/${id}`, `/api/builds/${id}/kept`, page, `${page}/tests`];
}

/** The forge of these servers is nobody: what asks it cannot be answered. */
const ASKS_FORGE = /^\/(?:api\/)?repos\/:owner\/:name\/builds?$/;

function problemOf({ pattern }: HostileCall, answer: RawAnswer | Error): string | undefined {
  if (answer instanceof Error) {
    // A parser that closes the connection has answered in its own way.
    const { cause } = answer;
    const isReset = cause instanceof Error && "code" in cause && cause.code === "ECONNRESET";
    return isReset
      ? undefined
      : `no answer (${cause instanceof Error ? cause.message : answer.message})`;
  }
  const { status, text } = answer;
  if (status === 503 && ASKS_FORGE.test(pattern)) return undefined;
  if (status >= 500) return `${status} ${text.slice(0, 300)}`;
  if (/\n\s+at |\/node_modules\/|file:\/\/\//.test(text))
    return `a stack in an answer of ${status}`;
  if (status === 400 || status === 422) return placeless(answer);
  return undefined;
}

/** What is refused says which part of it was wrong. */
function placeless({ headers, text }: RawAnswer): string | undefined {
  if (headers["content-type"]?.startsWith("application/json") !== true || text === "")
    return undefined;
  const { error, message } = JSON.parse(text) as Record<string, unknown>;
  const said = error ?? message;
  if (typeof said !== "string" || said.trim() === "") return `a refusal without words: ${text}`;
  return said.startsWith(": ") ? `a refusal that names no place: ${text}` : undefined;
}

function told({ method, path, headers, body }: RawCall): string {
  const sent = body === undefined ? "" : ` ${body.toString().slice(0, 600)}`;
  return `${method} ${path.slice(0, 300)} ${JSON.stringify(headers).slice(0, 400)}${sent}`;
}

const OPENER: Readonly<Record<Door, Caller>> = {
  open: "nobody",
  reader: "admin",
  admin: "admin",
  secret: "admin",
  sheet: "admin",
  build: "build worker",
  publish: "publish worker",
  report: "report worker",
  lease: "build worker",
  "publish-lease": "publish worker",
  hook: "nobody",
  clone: "admin by basic",
  push: "admin by basic",
  greeting: "nobody",
  "sign-in": "own page",
  "sign-out": "nobody",
};

/** Names in paths become things that exist, and leases are renewed as fast as calls end them. */
function filler(world: CalledWorld) {
  const leases = new Map<Door, Held>();
  let shown: Shown = { id: world.buildId, number: "1" };
  const leaseFor = async (door: Door): Promise<Held | undefined> => {
    if (door !== "lease" && door !== "publish-lease") return undefined;
    const known = leases.get(door);
    const fresh = known !== undefined && known.uses < USES_MAX ? known : await hold(world, door);
    leases.set(door, fresh);
    fresh.uses += 1;
    // What was told of it is then looked at, on pages and in answers.
    if (fresh.build !== undefined) shown = fresh.build;
    return fresh;
  };
  return async (drawn: HostileCall): Promise<{ readonly call: RawCall; readonly shown: Shown }> => {
    const { method, pattern, rule, caller, parts, query, headers, body } = drawn;
    const held = await leaseFor(rule.door);
    let place = 0;
    const names = /:([A-Za-z0-9]+)|\*path/g;
    const path = pattern.replaceAll(names, (written, name: string | undefined) => {
      const part = parts[place];
      place += 1;
      return part ?? nameIn(pattern, name ?? written, held?.id, shown);
    });
    const sent = {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(held === undefined ? {} : { [LEASE_HEADER]: held.token }),
      ...world.callers[caller ?? OPENER[rule.door]],
      ...headers,
    };
    return { call: { method, path: path + query, headers: sent, body }, shown };
  };
}

const USES_MAX = 8;

interface Shown {
  readonly id: string;
  readonly number: string;
}

interface Held {
  readonly id: string;
  readonly token: string;
  readonly build?: Shown;
  uses: number;
}

const PLAN = aPlanMessage(
  aPipeline(
    { tests: [aTest({ name: "unit" })] },
    { when: { branches: ["**"], tags: null, pullRequests: null, paths: null, schedule: [] } },
  ),
);

/** A job is planned at once, so that it has the steps that calls tell of. */
async function hold(world: CalledWorld, door: "lease" | "publish-lease"): Promise<Held> {
  if (door === "publish-lease") {
    const { publishId, token } = await world.newPublish();
    return { id: publishId, token, uses: 0 };
  }
  const { jobId, lease, build } = await world.newLease();
  const planned = await fetch(world.server.url + PATHS.plan(jobId), {
    method: "POST",
    headers: {
      "content-type": "application/json",
      [LEASE_HEADER]: lease.token,
      ...world.callers["build worker"],
    },
    body: JSON.stringify(PLAN),
  });
  if (!planned.ok) throw new Error(`A plan was answered ${planned.status}.`);
  return {
    id: jobId,
    token: lease.token,
    build: { ...build, number: String(build.number) },
    uses: 0,
  };
}

function nameIn(pattern: string, name: string, held: string | undefined, shown: Shown): string {
  const [owner = "", repo = ""] = REPO.split("/");
  if (name === "id") return held ?? shown.id;
  if (name === "number" && pattern.includes("/repos/")) return shown.number;
  if (name === "owner") return owner;
  if (name === "name" && pattern.includes("/channels")) return "dev";
  if (name === "name" && pattern.startsWith("/git/")) return "own";
  return name === "name" ? repo : (PARAMS[name] ?? "x");
}
