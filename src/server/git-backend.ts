import { spawn } from "node:child_process";
import type { Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Request, Response } from "express";
import { failpoint } from "../shared/failpoints.ts";
import { readCgiHead } from "./cgi.ts";
import type { DiskAlarm } from "./disk-alarm.ts";
import { answerHook, type GitCaller, type HookDeps, type Pushing } from "./git-hook.ts";
import type { IntakeResult } from "./intake-types.ts";
import { PUSH_MS, settleAccepted, type SettleDeps } from "./settle-pushes.ts";

export interface BackendDeps extends HookDeps, SettleDeps {
  readonly disk: Pick<DiskAlarm, "note" | "noteWords">;
}

export interface Exchange extends Pushing {
  readonly response: Response;
}

/** Lets git's own backend serve one request; what its hook recorded is settled once it has ended. */
export async function runBackend(deps: BackendDeps, exchange: Exchange): Promise<void> {
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
  deps: BackendDeps,
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
