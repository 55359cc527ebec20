import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";

/** Stands between a client and Tatara, as somebody would who wants other bytes to be installed. */
export interface AlteringProxy extends AsyncDisposable {
  readonly url: string;
}

/** What becomes of the answer to a path; undefined: it is not there. */
export type Altering = (path: string, bytes: Buffer) => Buffer | undefined;

/** The host keeps its name, so that every address in the answers is one of this proxy. */
export async function startAlteringProxy(to: string, alter: Altering): Promise<AlteringProxy> {
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const headers = {
      host: request.headers.host ?? "",
      "user-agent": request.headers["user-agent"] ?? "",
    };
    const answer = async (): Promise<void> => {
      const given = await forward(to + path, headers);
      const bytes = given.status === 200 ? alter(path, given.bytes) : given.bytes;
      response.writeHead(bytes === undefined ? 404 : given.status).end(bytes);
    };
    answer().catch((err: unknown) => response.destroy(err as Error));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function forward(url: string, headers: Readonly<Record<string, string>>) {
  return await new Promise<{ readonly status: number; readonly bytes: Buffer }>(
    (resolve, reject) => {
      const sent = httpRequest(url, { headers, agent: false }, (answer) => {
        const parts: Buffer[] = [];
        answer.on("data", (part: Buffer) => parts.push(part));
        answer.once("end", () =>
          resolve({ status: answer.statusCode ?? 0, bytes: Buffer.concat(parts) }),
        );
        answer.once("error", reject);
      });
      sent.once("error", reject);
      sent.end();
    },
  );
}

/** One byte is another, near the end, where no header is. */
export function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const at = Math.max(0, copy.length - 30);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
