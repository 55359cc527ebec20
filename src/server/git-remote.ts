import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Router, type Request, type Response } from "express";
import {
  isRefName,
  isRepoName,
  isSha,
  isTryRef,
  ZERO_SHA,
  type Push,
  type TryWish,
} from "../domain/push.ts";
import { repoMatcher } from "../domain/repo-patterns.ts";
import { failpoint } from "../shared/failpoints.ts";
import { readCgiHead } from "./cgi.ts";
import type { DiskAlarm } from "./disk-alarm.ts";
import type { IntakeDoor, IntakeResult } from "./intake-types.ts";
import { PUSH_MS, settleAccepted, type SettleDeps } from "./settle-pushes.ts";

const REFS_MAX = 1_000;
const OPTIONS_MAX = 20;

export interface GitRemoteDeps extends SettleDeps {
  readonly intake: IntakeDoor;
  /** `TATARA_REPOS`. */
  readonly patterns: readonly string[];
  readonly newId: (prefix: string) => string;
  /** False while the disk is too full to accept anything. */
  readonly hasRoom: () => Promise<boolean>;
  readonly disk: Pick<DiskAlarm, "note" | "noteWords">;
  /** Who asks, by HTTP Basic; undefined: nobody we know. */
  readonly identify: (request: Request, repo: string) => Promise<GitCaller | undefined>;
  readonly buildUrl: (request: Request, repo: string, number: number) => string;
}

export interface GitCaller {
  readonly name: string;
  readonly mayPush: boolean;
}

interface RefUpdate {
  readonly before: string;
  readonly after: string;
  readonly ref: string;
}

/**
 * Smart HTTP through git's own backend. The pre-receive hook hands us the refs while their objects
 * are still in quarantine; we record the push, and let a build be claimed only once the backend has
 * ended and the ref has really moved.
 */
export function gitRemote(deps: GitRemoteDeps): Router {
  const router = Router({ strict: true, caseSensitive: true });
  const isOurs = repoMatcher(deps.patterns);

  const serve = async (request: Request, response: Response): Promise<void> => {
    const repo = `${String(request.params["owner"])}/${String(request.params["name"])}`;
    if (!isRepoName(repo)) return refuse(response, 404, `${repo} is no name for a repo`);
    const caller = await deps.identify(request, repo);
    if (caller === undefined) return askForToken(request, response);
    const isPush = wantsPush(request);
    if (isPush && !caller.mayPush) return refuse(response, 403, "This token may not push.");
    if (isPush && !isOurs(repo)) return refuse(response, 403, `${repo} is outside TATARA_REPOS`);
    if (isPush && !(await deps.hasRoom())) {
      return refuse(response, 503, "The disk is full; nothing is accepted now.");
    }
    if (isPush) await makeReadyForPush(deps, repo);
    else if (!(await deps.repos.exists(repo)))
      return refuse(response, 404, `There is no ${repo} here.`);
    await runBackend(deps, { repo, caller, request, response });
  };

  const path = "/git/:owner/:name.git";
  const route = (request: Request, response: Response): void => {
    serve(request, response).catch((err: unknown) => {
      deps.disk.note(`git at ${request.path}`, err);
      deps.logger.warn({ err, path: request.path }, "git request failed");
      if (!response.headersSent) refuse(response, 500, "The git remote failed; try again.");
      else response.destroy();
    });
  };
  router.get(`${path}/info/refs`, route);
  router.post([`${path}/git-upload-pack`, `${path}/git-receive-pack`], route);
  return router;
}

async function makeReadyForPush({ repos, logger }: GitRemoteDeps, repo: string): Promise<void> {
  await repos.create(repo);
  await repos.removeStaleLocks(repo).catch((err: unknown) => {
    // git says so to whoever pushes, if one is in its way.
    logger.warn({ err, repo }, "Stale locks of a repo could not be removed");
  });
}

function wantsPush(request: Request): boolean {
  return (
    request.path.endsWith("/git-receive-pack") || request.query["service"] === "git-receive-pack"
  );
}

function refuse(response: Response, status: number, message: string): void {
  response.status(status).type("text/plain").send(`${message}\n`);
}

function askForToken(request: Request, response: Response): void {
  response.set("www-authenticate", 'Basic realm="Tatara: any user name, the token as password"');
  const isWrong = request.get("authorization") !== undefined;
  const problem = isWrong ? "This token is not known" : "A token is needed";
  refuse(response, 401, `${problem}: any user name, the token as password.`);
}

interface Exchange {
  readonly repo: string;
  readonly caller: GitCaller;
  readonly request: Request;
  readonly response: Response;
}

async function runBackend(deps: GitRemoteDeps, exchange: Exchange): Promise<void> {
  const { repo, caller, request, response } = exchange;
  const startedMs = performance.now();
  const service = request.path.slice(request.path.indexOf(".git/") + ".git".length);
  const child = spawn("git", ["http-backend"], {
    env: { ...deps.repos.env, ...cgiEnv(deps, request, `/${repo}.git${service}`, caller) },
    // Descriptor 3 is inherited through git down to our hook.
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    timeout: PUSH_MS,
  });
  const accepted: IntakeResult[] = [];
  const hook = child.stdio[3] as Duplex;
  const answered = answerHook(deps, exchange, hook, accepted);
  let problem = "";
  child.stderr.on("data", (chunk: Buffer) => {
    if (problem.length < 4_000) problem += chunk.toString();
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once("error", (err) => {
      problem = err.message;
      resolve(null);
    });
    child.once("close", resolve);
  });
  response.once("close", () => child.kill());

  // A pusher that goes away leaves a broken pipe; the backend's end tells what became of it.
  const fed = pipeline(request, child.stdin).catch(() => undefined);
  try {
    // Whoever pushes is told that it was taken once no loss of power can take it back.
    await sendCgi(child.stdout, response, async () => {
      if (accepted.length > 0) await deps.repos.sync(repo, performance.now() - startedMs);
    });
  } finally {
    // Whatever was sent: what the hook recorded is ready now, or will never be.
    const code = await ended;
    await fed;
    hook.destroy();
    await answered;
    if (code !== 0 && problem !== "") deps.logger.info({ repo, problem }, "git backend complained");
    if (problem !== "") deps.disk.noteWords(`git for ${repo}`, problem);
    if (accepted.length > 0) await failpoint("push.after-move");
    await settleAccepted(deps, accepted);
    if (accepted.length > 0) await failpoint("push.after-ready");
  }
}

function cgiEnv(
  deps: GitRemoteDeps,
  request: Request,
  pathInfo: string,
  caller: GitCaller,
): Record<string, string> {
  const header = (name: string): string => request.get(name) ?? "";
  return {
    GIT_PROJECT_ROOT: deps.repos.dir,
    GIT_HTTP_EXPORT_ALL: "1",
    PATH_INFO: pathInfo,
    REQUEST_METHOD: request.method,
    QUERY_STRING: request.url.split("?")[1] ?? "",
    CONTENT_TYPE: header("content-type"),
    HTTP_CONTENT_ENCODING: header("content-encoding"),
    HTTP_GIT_PROTOCOL: header("git-protocol"),
    REMOTE_USER: caller.name,
    ...(header("content-length") === "" ? {} : { CONTENT_LENGTH: header("content-length") }),
  };
}

/** The answer's end waits for `beforeEnd`; a client that gets none takes the whole for failed. */
async function sendCgi(
  output: Readable,
  response: Response,
  beforeEnd: () => Promise<void>,
): Promise<void> {
  const { status, headers, rest } = await readCgiHead(output);
  response.status(status);
  for (const [name, value] of headers) response.set(name, value);
  response.write(rest);
  const isSent = await pipeline(output, response, { end: false }).then(
    () => true,
    () => false,
  );
  if (!isSent) return;
  await beforeEnd();
  response.end();
}

/** Reads the hook's list of refs, records the pushes, and answers what the pusher shall see. */
async function answerHook(
  deps: GitRemoteDeps,
  exchange: Exchange,
  hook: Duplex,
  accepted: IntakeResult[],
): Promise<void> {
  hook.on("error", () => undefined);
  const input = createInterface({ input: hook });
  // A backend that could not be started leaves a hook that neither speaks nor ends.
  hook.once("close", () => input.close());
  const updates: RefUpdate[] = [];
  const options: string[] = [];
  try {
    for await (const line of input) {
      if (line === "") break;
      if (line.startsWith("option ")) {
        if (options.length < OPTIONS_MAX) options.push(line.slice("option ".length));
        continue;
      }
      const [before, after, ref] = line.split(" ");
      if (before && after && ref) updates.push({ before, after, ref });
      if (updates.length > REFS_MAX) break;
    }
    if (updates.length === 0) return;
    await failpoint("push.before-commit");
    const refusal = refuseUpdates(updates);
    const lines =
      refusal === undefined
        ? await recordAll(deps, exchange, { updates, options }, accepted)
        : [refusal];
    await failpoint("push.after-commit");
    hook.end(`${refusal === undefined ? "ok" : "refused"}\n${lines.join("\n")}\n`);
    await failpoint("push.after-verdict");
  } catch (err) {
    deps.logger.error({ err, repo: exchange.repo }, "Push could not be recorded");
    hook.end("refused\nTatara could not record this push, so nothing was accepted. Push again.\n");
  }
}

function refuseUpdates(updates: readonly RefUpdate[]): string | undefined {
  if (updates.length > REFS_MAX) return `At most ${REFS_MAX} refs are taken in one push.`;
  const odd = updates.find(
    ({ ref, before, after }) => !isTakenRef(ref) || !isSha(before) || !isSha(after),
  );
  if (odd !== undefined) return `${odd.ref}: only branches and tags with plain names are taken.`;
  const again = updates.find(
    ({ ref, before, after }) => isTryRef(ref) && (!ZERO_SHA.test(before) || ZERO_SHA.test(after)),
  );
  return again && `${again.ref}: each try makes a ref of its own, and Tatara removes it.`;
}

function isTakenRef(ref: string): boolean {
  return isRefName(ref) || isTryRef(ref);
}

/** `steps=unit,lint` and `fresh`, as `tatara try` says them. */
function readTry(options: readonly string[]): TryWish {
  const named = options.find((option) => option.startsWith("steps="));
  const steps = named?.slice("steps=".length).split(",").filter(Boolean) ?? [];
  return { steps: steps.length === 0 ? null : steps, isFresh: options.includes("fresh") };
}

async function recordAll(
  deps: GitRemoteDeps,
  { repo, caller, request }: Exchange,
  {
    updates,
    options,
  }: { readonly updates: readonly RefUpdate[]; readonly options: readonly string[] },
  accepted: IntakeResult[],
): Promise<string[]> {
  const recorded = await Promise.allSettled(
    updates.map((update) => {
      const push: Push = {
        forge: "own",
        repo,
        ...update,
        sha: undefined,
        pusher: caller.name,
        trust: "trusted",
        defaultBranch: undefined,
        message: "",
        authorName: "",
        ...(isTryRef(update.ref) ? { trust: "manual", tried: readTry(options) } : {}),
      };
      const deliveryId = deps.newId("push");
      return deps.intake.accept({
        forge: "own",
        deliveryId,
        bodyDigest: null,
        event: "push",
        push,
      });
    }),
  );
  const results = recorded.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  accepted.push(...results);
  const failed = recorded.find((one) => one.status === "rejected");
  if (failed !== undefined)
    throw new Error("A ref could not be recorded.", { cause: failed.reason });
  return results.map((result, index) => {
    const ref = updates[index]?.ref ?? "";
    if (result.kind !== "accepted") return `Tatara  ${ref}: ${result.reason}`;
    const shown = isTryRef(ref) ? "this try" : ref;
    return `Tatara  ${shown} is build #${result.number}  ${deps.buildUrl(request, repo, result.number)}`;
  });
}
