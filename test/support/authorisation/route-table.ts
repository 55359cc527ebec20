import { PROTOCOL } from "../../../src/shared/protocol.ts";
import { aPipeline, aPlanMessage } from "../a-pipeline.ts";
import type { Door } from "./doors.ts";

/** One route: who is let in, and what the first who is let in hears. */
export interface RouteRule {
  readonly door: Door;
  readonly answer: number;
  readonly body?: object | string;
  /** Of the path, where what `called-world.ts` has under that name will not do. */
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: string;
}

const SHA = "a".repeat(64);
const CLAIM = { worker: "w9", protocol: PROTOCOL };
const FAULT = { code: "ENGINE_FAILED", message: "it went away", step: null };
const END = { state: "failed", reason: null, failure: null, packages: [] };
const KEPT = { files: [], expiresMs: 1_000, notes: [] };
const REPORTS = { part: 0, isLast: true, files: [], tests: [], coverage: null, problems: [] };

const CHECK = {
  packages: [
    {
      nevra: { name: "none", epoch: 0, version: "1", release: "1", arch: "noarch" },
      unsignedSha256: SHA,
      target: "el9.x86_64",
      provides: [],
      obsoletes: [],
      conflicts: [],
    },
  ],
};
const CARD = {
  kind: "code",
  code: "INTERNAL",
  step: null,
  title: "it failed",
  excerpt: "",
  file: null,
  line: null,
  logLine: null,
  hint: null,
  confidence: "low",
  evidence: "fault",
  problems: null,
};

const read = (answer = 200): RouteRule => ({ door: "reader", answer });
const act = (answer: number, body?: object | string): RouteRule =>
  body === undefined ? { door: "admin", answer } : { door: "admin", answer, body };
const to = (door: Door, answer: number, body?: object | string): RouteRule =>
  body === undefined ? { door, answer } : { door, answer, body };

/** Every route of the app. One that is missing here, or is here and gone there, fails the test. */
export const ROUTES: Readonly<Record<string, RouteRule>> = {
  "DELETE /api/channels/:name": { ...act(404), params: { name: "nothing" } },
  "DELETE /api/channels/:name/:target/extras/:type": act(400),
  "DELETE /api/repos/:owner/:name/secrets/:secret": act(404),
  "DELETE /api/workers/:id": { ...act(404), params: { id: "nobody" } },
  "GET /": read(),
  "GET /api/allowances": read(),
  "GET /api/builds": read(),
  "GET /api/builds/:id": read(),
  "GET /api/builds/:id/artifacts/:fileName": read(404),
  "GET /api/builds/:id/comparison": read(409),
  "GET /api/builds/:id/events": read(),
  "GET /api/builds/:id/kept": read(),
  "GET /api/builds/:id/kept.tar": read(404),
  "GET /api/builds/:id/kept/:job/:step/*path": read(404),
  "GET /api/builds/:id/log": read(),
  "GET /api/builds/:id/log/rows": read(404),
  "GET /api/builds/:id/plan": read(409),
  "GET /api/builds/:id/tests": read(),
  "GET /api/changes/:id": read(404),
  "GET /api/channels": read(),
  "GET /api/channels/:name": read(),
  "GET /api/channels/:name/generations": read(),
  "GET /api/channels/:name/generations/:number/diff": read(400),
  "GET /api/packages": read(),
  "GET /api/packages/:name": read(404),
  "GET /api/packages/:name/:nevra": read(404),
  "GET /api/queue": read(),
  "GET /api/repos/:owner/:name/builds/:number": read(),
  "GET /api/repos/:owner/:name/builds/:number/tests": read(),
  "GET /api/repos/:owner/:name/names": to("secret", 200),
  "GET /api/repos/:owner/:name/schedules": read(),
  "GET /api/repos/:owner/:name/secrets": to("secret", 200),
  "GET /api/repos/:owner/:name/statuses/:sha": read(),
  "GET /api/repos/:owner/:name/tests": read(),
  "GET /api/workers": read(),
  "GET /assets/:name": to("open", 200),
  "GET /builds/:id": read(303),
  "GET /change": to("sheet", 400),
  "GET /changes/:id": read(404),
  "GET /channels": read(),
  "GET /channels/:name": read(),
  "GET /git/:owner/:name.git/info/refs": {
    ...to("clone", 200),
    params: { name: "own" },
    query: "?service=git-upload-pack",
  },
  "GET /healthz": to("open", 200),
  "GET /login": to("greeting", 200),
  "GET /metrics": read(),
  "GET /packages": read(),
  "GET /packages/:name": read(404),
  "GET /repos": read(),
  "GET /repos/:owner/:name": read(),
  "GET /repos/:owner/:name/:number": read(),
  "GET /repos/:owner/:name/:number/:step": read(404),
  "GET /repos/:owner/:name/:number/tests": read(),
  "GET /repos/:owner/:name/tests": read(),
  "GET /schema/v1.json": to("open", 200),
  "GET /worker/v1/build/jobs/:id/artifacts/:sha256": to("lease", 404),
  "GET /worker/v1/build/jobs/:id/kept": to("lease", 200),
  "GET /worker/v1/build/live-attempts": to("build", 200),
  "GET /worker/v1/publish/:id/packages/:sha256": to("publish-lease", 404),
  "GET /workers": read(),
  "GET /yum/:channel/:target/g/:number/mirrorlist": to("open", 404),
  "GET /yum/:channel/:target/g/:number/p/:sha256/:file": to("open", 404),
  "GET /yum/:channel/:target/g/:number/repodata/:file": to("open", 404),
  "GET /yum/:channel/:target/mirrorlist": to("open", 404),
  "GET /yum/:channel/:target/p/:sha256/:file": to("open", 404),
  "GET /yum/:channel/:target/repodata/:file": to("open", 404),
  "GET /yum/:file": to("open", 404),
  "GET /yum/keys/:file": to("open", 404),
  "PATCH /api/channels/:name": act(200, {}),
  "POST /api/allowances": act(400, {}),
  "POST /api/builds/:id/approve": act(409, {}),
  "POST /api/builds/:id/bump": act(200),
  "POST /api/builds/:id/cancel": { ...act(404), params: { id: "no-build" } },
  "POST /api/builds/:id/rebuild": act(409),
  "POST /api/builds/:id/rerun": act(409),
  "POST /api/changes": act(400, {}),
  "POST /api/channels": act(400, {}),
  "POST /api/channels/:name/import": act(400, {}),
  "POST /api/channels/:name/pins": act(400, {}),
  "POST /api/names/:name": act(400, {}),
  "POST /api/repos/:owner/:name/builds": act(400, { ref: 1 }),
  "POST /api/repos/:owner/:name/caches/clear": act(200),
  "POST /api/repos/:owner/:name/statuses/:sha": to("report", 201, { state: "success" }),
  "POST /api/sweeps": { ...act(202), query: "?dry-run=1" },
  "POST /api/workers/:id/drain": { ...act(404, {}), params: { id: "nobody" } },
  "POST /api/workers/:id/resume": { ...act(404), params: { id: "nobody" } },
  "POST /builds/:id/approve": act(303),
  "POST /builds/:id/bump": act(303),
  "POST /builds/:id/cancel": { ...act(404), params: { id: "no-build" } },
  "POST /builds/:id/rerun": act(409),
  "POST /change": act(400),
  "POST /channels/:name/pins": act(404),
  "POST /git/:owner/:name.git/git-receive-pack": { ...to("push", 415), params: { name: "own" } },
  "POST /git/:owner/:name.git/git-upload-pack": { ...to("clone", 415), params: { name: "own" } },
  "POST /login": to("sign-in", 401),
  "POST /logout": to("sign-out", 303),
  "POST /repos/:owner/:name/build": { ...act(404), params: { name: "nothing" } },
  "POST /theme": to("open", 303),
  "POST /webhooks/github": to("hook", 200),
  "POST /worker/v1/build/claim": to("build", 200, CLAIM),
  "POST /worker/v1/build/goodbye": to("build", 200, { worker: "w9" }),
  "POST /worker/v1/build/jobs/:id/end": to("lease", 200, END),
  "POST /worker/v1/build/jobs/:id/fault": to("lease", 200, FAULT),
  "POST /worker/v1/build/jobs/:id/hand-back": to("lease", 200),
  "POST /worker/v1/build/jobs/:id/heartbeat": to("lease", 200),
  "POST /worker/v1/build/jobs/:id/plan": to("lease", 200, aPlanMessage(aPipeline())),
  "POST /worker/v1/build/jobs/:id/steps/:step": to("lease", 200, {
    state: "running",
    startedAt: 1,
  }),
  "POST /worker/v1/build/jobs/:id/steps/:step/kept": to("lease", 200, KEPT),
  "POST /worker/v1/build/jobs/:id/steps/:step/log": { ...to("lease", 200), query: "?offset=0" },
  "POST /worker/v1/build/jobs/:id/steps/:step/reports": to("lease", 200, REPORTS),
  "POST /worker/v1/build/shells": to("build", 200, { worker: "w9" }),
  "POST /worker/v1/build/started": to("build", 200, { worker: "w9" }),
  "POST /worker/v1/build/trouble": to("build", 200, { worker: "w9", trouble: null }),
  "POST /worker/v1/publish/:id/check": to("publish-lease", 200, CHECK),
  "POST /worker/v1/publish/:id/done": to("publish-lease", 200, { durationMs: 1, report: [] }),
  "POST /worker/v1/publish/:id/fail": to("publish-lease", 200, { failure: CARD }),
  "POST /worker/v1/publish/:id/fault": to("publish-lease", 200, FAULT),
  "POST /worker/v1/publish/:id/hand-back": to("publish-lease", 200),
  "POST /worker/v1/publish/:id/heartbeat": to("publish-lease", 200),
  "POST /worker/v1/publish/:id/progress": to("publish-lease", 200, { done: 0, total: 1, note: "" }),
  "POST /worker/v1/publish/claim": to("publish", 200, { ...CLAIM, worker: "p9" }),
  "POST /worker/v1/publish/started": to("publish", 200, { worker: "p9" }),
  "POST /worker/v1/publish/switch": to("publish", 400, {}),
  "POST /worker/v1/report/:id/answer": to("report", 409, {
    lease: "none",
    version: 1,
    result: { kind: "sent" },
  }),
  "POST /worker/v1/report/claim": to("report", 200, CLAIM),
  "POST /workers/:id/:act": { ...act(303), params: { id: "nobody", act: "resume" } },
  "PUT /api/channels/:name/:target/extras/:type": act(400, "text"),
  "PUT /api/repos/:owner/:name/secrets/:secret": act(400, {}),
  "PUT /worker/v1/build/jobs/:id/artifacts/:sha256": to("lease", 400, "not the bytes of that sum"),
};

/** Paths that handlers stand at which are no routes: each must lead to guards of routes above. */
export const GUARDED = [
  "/api/allowances",
  "/api/builds",
  "/api/changes",
  "/api/channels",
  "/api/names",
  "/api/packages",
  "/api/repos/:owner/:name/builds",
  "/api/repos/:owner/:name/secrets",
  "/api/sweeps",
  "/webhooks",
  "/worker/v1/build",
  "/worker/v1/publish",
  "/worker/v1/report",
  "/yum",
] as const;

/** What a name in a path stands for, where neither the rule nor the world says more. */
export const PARAMS: Readonly<Record<string, string>> = {
  owner: "acme",
  name: "hello",
  number: "1",
  step: "unit",
  job: "j-none",
  "*path": "a/b",
  sha: "a".repeat(40),
  sha256: SHA,
  fileName: "none.rpm",
  nevra: "none-1-1.x86_64",
  secret: "NPM_TOKEN",
  channel: "dev",
  target: "el9.x86_64",
  type: "nothing",
  file: "none",
  act: "resume",
};
