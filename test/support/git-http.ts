import { execFileSync, spawn } from "node:child_process";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** Serves a folder of bare repos over smart HTTP, as a forge would, with git's own http-backend. */
export interface GitHttp extends AsyncDisposable {
  readonly url: string;
  /** Authorization header of each request so far. */
  readonly seen: (string | undefined)[];
  /** When set, anything else is answered with this status. */
  credential: string | undefined;
  refuseWith: number | undefined;
}

export async function startGitHttp(root: string): Promise<GitHttp> {
  const backend = join(execFileSync("git", ["--exec-path"]).toString().trim(), "git-http-backend");
  const seen: (string | undefined)[] = [];
  const state: { credential: string | undefined; refuseWith: number | undefined } = {
    credential: undefined,
    refuseWith: undefined,
  };
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    if (state.refuseWith !== undefined) return void response.writeHead(state.refuseWith).end();
    if (state.credential !== undefined && request.headers.authorization !== state.credential) {
      return void response.writeHead(401, { "www-authenticate": "Basic" }).end();
    }
    serve({ backend, root }, request, response);
  });
  const port = await listen(server);
  return Object.assign(state, {
    url: `http://127.0.0.1:${port}`,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  });
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function serve(
  { backend, root }: { backend: string; root: string },
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const url = new URL(request.url ?? "/", "http://x");
  const protocol = request.headers["git-protocol"];
  const child = spawn(backend, {
    env: {
      PATH: process.env["PATH"],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      REQUEST_METHOD: request.method,
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers["content-type"],
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"],
      ...(typeof protocol === "string" ? { GIT_PROTOCOL: protocol } : {}),
    },
  });
  request.pipe(child.stdin);
  let head = Buffer.alloc(0);
  let isHeadSent = false;
  child.stdout.on("data", (chunk: Buffer) => {
    if (isHeadSent) return void response.write(chunk);
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    isHeadSent = true;
    for (const line of head.subarray(0, end).toString().split("\r\n")) {
      const [name = "", value = ""] = line.split(/: (.*)/s);
      if (name === "Status") response.statusCode = Number(value.slice(0, 3));
      else response.setHeader(name, value);
    }
    response.write(head.subarray(end + 4));
  });
  child.stdout.on("end", () => response.end());
}
