import { Router, type Request, type Response } from "express";
import { isRepoName } from "../domain/push.ts";
import { repoMatcher } from "../domain/repo-patterns.ts";
import { runBackend, type BackendDeps } from "./git-backend.ts";
import type { GitCaller } from "./git-hook.ts";

export interface GitRemoteDeps extends BackendDeps {
  /** `TATARA_REPOS`. */
  readonly patterns: readonly string[];
  /** False while the disk is too full to accept anything. */
  readonly hasRoom: () => Promise<boolean>;
  /** Who asks, by HTTP Basic; undefined: nobody we know. */
  readonly identify: (request: Request, repo: string) => Promise<GitCaller | undefined>;
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
