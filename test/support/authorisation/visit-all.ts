import { LEASE_HEADER } from "../../../src/shared/protocol.ts";
import { rawCaller, type RawCaller } from "../raw-call.ts";
import { CALLERS, type Caller, type Credentials } from "./callers.ts";
import { REPO, type CalledWorld } from "./called-world.ts";
import { verdictOf, type Verdict } from "./doors.ts";
import { PARAMS, ROUTES, type RouteRule } from "./route-table.ts";

/** Of who is refused; what is let in may change something, and goes one by one. */
const TOGETHER = 16;

export interface Visited {
  readonly route: string;
  readonly caller: string;
  readonly expected: number;
  readonly heard: number;
}

interface Call {
  readonly method: string;
  readonly pattern: string;
  readonly rule: RouteRule;
  readonly credentials: Credentials;
  /** Of this call alone, where a name must stand for something of the caller's. */
  readonly params?: Readonly<Record<string, string>>;
}

/** Every route, by every caller. Who is refused comes first: whatever let them in would be seen later. */
export async function visitAll(
  world: CalledWorld,
  {
    mayAnybodyRead,
    callers = CALLERS,
  }: { readonly mayAnybodyRead: boolean; readonly callers?: readonly Caller[] },
): Promise<readonly Visited[]> {
  using caller = rawCaller(world.server.url);
  const visit = visitor(world, caller);
  const visits = Object.entries(ROUTES).flatMap(([route, rule]) =>
    methodsOf(route).flatMap(({ method, pattern }) =>
      callers.filter(isAsked(method)).map((who) => {
        const isRead = method === "GET" || method === "HEAD";
        const verdict = verdictOf({ door: rule.door, isRead, caller: who, mayAnybodyRead });
        const call = { method, pattern, rule, credentials: world.callers[who] };
        return { call, expectation: { who, verdict } };
      }),
    ),
  );
  const isIn = ({ expectation }: (typeof visits)[number]): boolean => expectation.verdict === "in";
  const visited: Visited[] = [];
  const refused = visits.filter((one) => !isIn(one));
  for (let at = 0; at < refused.length; at += TOGETHER) {
    const some = refused.slice(at, at + TOGETHER);
    visited.push(
      ...(await Promise.all(some.map(({ call, expectation }) => visit(call, expectation)))),
    );
  }
  // Last whoever signs out: nobody is signed in after that.
  const isOut = ({ call }: (typeof visits)[number]): boolean => call.rule.door === "sign-out";
  const in_ = visits.filter(isIn);
  for (const { call, expectation } of [...in_.filter((one) => !isOut(one)), ...in_.filter(isOut)]) {
    visited.push(await visit(call, expectation));
  }
  return visited;
}

/** HEAD goes the way of GET: three callers tell whether it does. */
function isAsked(method: string): (caller: Caller) => boolean {
  const few: readonly Caller[] = ["nobody", "admin", "other site's page"];
  return (caller) => method !== "HEAD" || few.includes(caller);
}

/** Lease by lease, what only the holder of one may do. */
export async function visitLeases(world: CalledWorld): Promise<readonly Visited[]> {
  using caller = rawCaller(world.server.url);
  const visit = visitor(world, caller);
  const visited: Visited[] = [];
  const { foreign, ended } = world.leases;
  for (const [route, rule] of Object.entries(ROUTES)) {
    const isJob = rule.door === "lease";
    if (!isJob && rule.door !== "publish-lease") continue;
    for (const { method, pattern } of methodsOf(route)) {
      const own = isJob ? await ofJob(world) : await ofPublish(world);
      const kind = isJob ? "build worker" : "publish worker";
      const other = isJob ? "publish worker" : "build worker";
      const holders: readonly Holder[] = [
        { who: "another's lease", kind, verdict: 409, ...own, token: foreign.lease.token },
        { who: "own lease, another's work", kind, verdict: 409, ...own, id: foreign.jobId },
        { who: "ended", kind, verdict: 409, id: ended.jobId, token: ended.lease.token },
        { who: "the other kind of worker", kind: other, verdict: 401, ...own },
        { who: "a report worker", kind: "report worker", verdict: 401, ...own },
        { who: "an admin", kind: "admin", verdict: 401, ...own },
        { who: "its holder", kind, verdict: "in", ...own },
      ];
      for (const { who, kind: by, verdict, id, token } of holders) {
        const credentials = { ...world.callers[by], [LEASE_HEADER]: token };
        const call = { method, pattern, rule, credentials, params: { id } };
        visited.push(await visit(call, { who, verdict }));
      }
    }
  }
  return visited;
}

/** Who comes with a lease's token, to which work. */
interface Holder extends Expectation {
  readonly kind: Caller;
  readonly id: string;
  readonly token: string;
}

async function ofJob(world: CalledWorld) {
  const { jobId, lease } = await world.newLease();
  return { id: jobId, token: lease.token };
}

async function ofPublish(world: CalledWorld) {
  const { publishId, token } = await world.newPublish();
  return { id: publishId, token };
}

interface Expectation {
  readonly who: string;
  readonly verdict: Verdict;
}

function visitor(world: CalledWorld, caller: RawCaller) {
  return async (call: Call, { who, verdict }: Expectation): Promise<Visited> => {
    const { method, pattern, rule, credentials } = call;
    const path = pathOf(world, call) + (rule.query ?? "");
    const isText = typeof rule.body === "string";
    const { status } = await caller.call({
      method,
      path,
      headers: {
        ...(rule.body === undefined || isText ? {} : { "content-type": "application/json" }),
        ...(rule.door === "hook" ? HOOK_HEADERS : {}),
        ...credentials,
      },
      body: isText ? rule.body : rule.body && JSON.stringify(rule.body),
    });
    const expected = verdict === "in" ? rule.answer : verdict;
    return { route: `${method} ${pattern}`, caller: who, expected, heard: status };
  };
}

/** All that GitHub sends but a signature that is right. */
const HOOK_HEADERS = {
  "content-type": "application/json",
  "x-github-delivery": "11111111-2222-3333-4444-555555555555",
  "x-github-event": "push",
  "x-hub-signature-256": `sha256=${"0".repeat(64)}`,
};

/** What answers GET answers HEAD. */
function methodsOf(
  route: string,
): readonly { readonly method: string; readonly pattern: string }[] {
  const [method = "", pattern = ""] = route.split(" ");
  return [method, ...(method === "GET" ? ["HEAD"] : [])].map((one) => ({ method: one, pattern }));
}

function pathOf(world: CalledWorld, { pattern, rule, params }: Call): string {
  const known = { ...PARAMS, ...ofWorld(world, pattern), ...rule.params, ...params };
  return pattern.replaceAll(/:([A-Za-z0-9]+)|\*path/g, (written, name: string | undefined) => {
    const value = known[name ?? written];
    if (value === undefined) throw new Error(`${pattern}: nothing is known for ${written}.`);
    return value;
  });
}

function ofWorld(world: CalledWorld, pattern: string): Readonly<Record<string, string>> {
  const [owner = "", name = ""] = REPO.split("/");
  if (pattern.startsWith("/assets/")) return { name: world.assetName };
  if (pattern.startsWith("/worker/")) return { id: world.leases.foreign.jobId };
  if (pattern.includes("/channels")) return { name: "dev" };
  return { owner, name, id: world.buildId };
}

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] as const;
const NOWHERE = [
  "/nowhere",
  "/api/nowhere",
  "/worker/v1/nowhere",
  "/webhooks/nowhere",
  "/git/nowhere",
];

/** Methods that a path does not have, and paths that are not there, by callers who may do much. */
export async function visitNowhere(world: CalledWorld): Promise<readonly Visited[]> {
  using caller = rawCaller(world.server.url);
  const patterns = new Set(Object.keys(ROUTES).map((route) => route.split(" ")[1] ?? ""));
  const visited: Visited[] = [];
  for (const pattern of [...patterns, ...NOWHERE]) {
    for (const method of METHODS.filter((one) => ROUTES[`${one} ${pattern}`] === undefined)) {
      for (const who of ["nobody", "admin", "build worker"] as const) {
        const path = pathOf(world, { method, pattern, rule: ANY, credentials: {} });
        const headers = world.callers[who];
        const { status, text } = await caller.call({ method, path, headers });
        // Which methods there are is in this very repository.
        const isList = method === "OPTIONS" && /^[A-Z, ]*$/.test(text);
        const heard = isList ? 404 : status;
        visited.push({ route: `${method} ${pattern}`, caller: who, expected: 404, heard });
      }
    }
  }
  return visited;
}

const ANY: RouteRule = { door: "open", answer: 404 };
