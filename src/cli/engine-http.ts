import { request } from "node:http";
import type { IncomingMessage, RequestOptions } from "node:http";
import { text } from "node:stream/consumers";

/** The engine answered with an error, or not at all. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly status: number | undefined;

  constructor(message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.status = options.status;
  }
}

export type Fields = Readonly<Record<string, unknown>>;

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export interface Call {
  readonly json?: unknown;
  readonly signal?: AbortSignal;
}

/** Where an engine listens, as `DOCKER_HOST` says it. */
export function addressOf(dockerHost: string): RequestOptions {
  const socketPath = /^unix:\/\/(\/.+)$/.exec(dockerHost)?.[1];
  if (socketPath !== undefined) return { socketPath };
  const tcp = /^(?:tcp|http):\/\/(\[[0-9a-f:]+\]|[^/:]+)(?::(\d+))?\/?$/.exec(dockerHost);
  if (tcp?.[1] === undefined) {
    throw new EngineError(`DOCKER_HOST=${dockerHost}: unix:///path or tcp://host:port is expected`);
  }
  return { host: tcp[1].replace(/[[\]]/g, ""), port: Number(tcp[2] ?? 2375) };
}

/** One request; throws `EngineError` if it is refused or not answered. */
export async function send(
  options: RequestOptions,
  call: Call,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const body = call.json === undefined ? undefined : JSON.stringify(call.json);
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = request({ ...options, headers, signal }, resolve);
  outgoing.once("error", (cause) => {
    const where = options.socketPath ?? `${options.host}:${options.port}`;
    const message = signal.aborted ? "did not answer in time" : cause.message;
    reject(new EngineError(`no Docker engine at ${where}: ${message}`, { cause }));
  });
  outgoing.end(body);

  const response = await promise;
  const status = response.statusCode ?? 0;
  if (status < 400) return response;
  const problem = await text(response);
  throw new EngineError(`Docker answered ${status}: ${messageIn(problem)}`, { status });
}

function messageIn(body: string): string {
  try {
    return (textOf((JSON.parse(body) as Fields)["message"]) ?? body).slice(0, 500);
  } catch {
    return body.slice(0, 500); // A proxy's words, perhaps.
  }
}
