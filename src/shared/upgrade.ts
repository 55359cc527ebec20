import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { SHELL_PROTOCOL } from "./shell-frames.ts";

/** The other side answered, and not by upgrading. */
export class UpgradeRefused extends Error {
  override readonly name = "UpgradeRefused";
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`The server answered ${status} instead of opening a shell.`);
    this.status = status;
    this.body = body;
  }
}

/** Turns a request into a connection of its own, in both directions. Throws `UpgradeRefused`. */
export async function openUpgrade(
  url: string,
  { token, signal }: { readonly token: string; readonly signal: AbortSignal },
): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const headers = {
    connection: "Upgrade",
    upgrade: SHELL_PROTOCOL,
    ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
  };
  const send = url.startsWith("https:") ? httpsRequest : httpRequest;
  const call = send(url, { headers, signal, agent: false });
  call.once("upgrade", (_answer, socket: Duplex, head: Buffer) => {
    // The signal was for the answer; from here on whoever asked ends the connection.
    if (head.length > 0) socket.unshift(head);
    resolve(socket);
  });
  call.once("response", (answer: IncomingMessage) => {
    text(answer).then((body) => reject(new UpgradeRefused(answer.statusCode ?? 0, body)), reject);
  });
  call.once("error", reject);
  call.end();
  return await promise;
}
