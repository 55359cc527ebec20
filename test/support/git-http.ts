import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { serveGit } from "./git-host.ts";

/** Serves the repos below a folder over smart HTTP, as a forge would. */
export interface GitHttp extends AsyncDisposable {
  readonly url: string;
  /** Authorization header of each request so far. */
  readonly seen: (string | undefined)[];
  /** When set, a request with any other Authorization is answered 401. */
  credential: string | undefined;
  /** No request is answered at all. */
  isSilent: boolean;
  /** When set, every request is answered so. */
  answerWith: { readonly status: number; readonly headers?: Record<string, string> } | undefined;
}

export async function startGitHttp(root: string): Promise<GitHttp> {
  const http: GitHttp = {
    url: "",
    seen: [],
    credential: undefined,
    isSilent: false,
    answerWith: undefined,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
  const server = createServer((request, response) => {
    const { authorization } = request.headers;
    http.seen.push(authorization);
    if (http.isSilent) return;
    if (http.answerWith !== undefined) {
      response.writeHead(http.answerWith.status, http.answerWith.headers).end();
    } else if (http.credential !== undefined && authorization !== http.credential) {
      response.writeHead(401, { "www-authenticate": "Basic" }).end();
    } else void serveGit(root, request, response);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return Object.assign(http, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}
