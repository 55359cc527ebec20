import { request as plain } from "node:http";
import { request as secure } from "node:https";
import type { IncomingMessage, RequestOptions } from "node:http";
import { text } from "node:stream/consumers";

/**
 * One request on a connection that nobody used before and nobody uses again, answered in a few words.
 * A kept connection may have died without a sound, and would swallow a heartbeat.
 */
export async function onOwnConnection(
  address: URL,
  init: {
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly signal: AbortSignal;
  },
): Promise<Response> {
  const { method, headers, body = "", signal } = init;
  const length = String(Buffer.byteLength(body));
  const options: RequestOptions = {
    method,
    headers: { ...headers, "content-length": length },
    agent: false,
    signal,
  };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = address.protocol === "https:" ? secure : plain;
  request(address, options, resolve).once("error", reject).end(body);
  const answer = await promise;
  const status = answer.statusCode ?? 500;
  const words = await text(answer);
  // These must have no body, says the standard.
  return new Response(status === 204 || status === 304 ? null : words, { status });
}
