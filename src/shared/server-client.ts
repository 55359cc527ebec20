import { setTimeout as delay } from "node:timers/promises";
import type { z } from "zod";
import { Stopped } from "../domain/stop.ts";
import { UserFault } from "../domain/faults.ts";
import type { Logger } from "./logger.ts";
import { LEASE_HEADER } from "./protocol.ts";
import { refusal } from "./message-parts.ts";
import { onOwnConnection } from "./own-connection.ts";

const CALL_TIMEOUT_MS = 30_000;
const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 2_000;
/** Where all start together the server is the last to be ready. */
const TOLD_AFTER_MS = 10_000;

export interface ServerClient {
  /** One try; undefined for "nothing to do" (204). Throws `ServerUnavailable`. */
  ask<T>(call: Call<T>, signal: AbortSignal): Promise<T | undefined>;
  /**
   * Sends again until the server has answered, for a server restart must not end a build. It ends
   * when `signal` is aborted (the lease is lost, or the job is cancelled). Throws
   * `Stopped("lease-lost")` on 409 and a `UserFault` on 422.
   */
  send<T>(call: Call<T>, signal: AbortSignal): Promise<T>;
  /** The raw answer, for bytes that are streamed. One try. */
  open(path: string, leaseToken: string, signal: AbortSignal): Promise<Response>;
}

export interface Call<T> {
  readonly path: string;
  readonly method?: "GET" | "POST" | "PUT";
  readonly query?: Readonly<Record<string, string | number>>;
  readonly json?: unknown;
  readonly bytes?: Uint8Array;
  /** For bodies too large for memory: opened anew for each try. */
  readonly openBody?: () => ReadableStream<Uint8Array>;
  readonly leaseToken?: string;
  /** Shape of the answer; without it the answer's body is not read. */
  readonly answer?: z.ZodType<T>;
  readonly timeoutMs?: number;
  /** A connection for this call alone: one that others hold up, or that died unheard, is not used. */
  readonly ownConnection?: boolean;
}

/** The server did not answer, or answered that it cannot now. Whoever asked may ask again. */
export class ServerUnavailable extends Error {
  override readonly name = "ServerUnavailable";
}

/** The workers' side of the protocol. A server that stays away is told once, and that it is back. */
export function serverClient({
  url,
  token,
  logger,
  toldAfterMs = TOLD_AFTER_MS,
}: {
  readonly url: string;
  readonly token: string;
  readonly logger?: Logger;
  /** Tests lower it. */
  readonly toldAfterMs?: number;
}): ServerClient {
  let away: { readonly since: number; isTold: boolean } | undefined;
  const noteAway = (reason: string): void => {
    away ??= { since: performance.now(), isTold: false };
    if (away.isTold || performance.now() - away.since < toldAfterMs) return;
    away.isTold = true;
    logger?.warn({ url, reason }, "The server cannot be reached and is asked again");
  };
  const noteAnswer = (): void => {
    if (away?.isTold === true) logger?.info({ url }, "The server can be reached again");
    away = undefined;
  };
  const request = async <T>(call: Call<T>, signal: AbortSignal): Promise<Response> => {
    const address = new URL(url + call.path);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      address.searchParams.set(name, String(value));
    }
    const limit = AbortSignal.timeout(call.timeoutMs ?? CALL_TIMEOUT_MS);
    const init = {
      method: call.method ?? "POST",
      headers: headersOf(call, token),
      signal: AbortSignal.any([signal, limit]),
    };
    try {
      if (call.ownConnection === true) return await onOwnConnection(address, init);
      return await fetch(address, { ...init, ...bodyOf(call) });
    } catch (cause) {
      signal.throwIfAborted();
      throw new ServerUnavailable(`The server does not answer at ${url}.`, { cause });
    }
  };

  const ask = async <T>(call: Call<T>, signal: AbortSignal): Promise<T | undefined> => {
    try {
      const answer = await readAnswer(call, await request(call, signal), signal);
      noteAnswer();
      return answer;
    } catch (err) {
      // One that answers, even that it cannot now, is there; it says why in its own log.
      if (err instanceof ServerUnavailable && err.cause !== undefined) noteAway(reasonOf(err));
      throw err;
    }
  };

  const send = async <T>(call: Call<T>, signal: AbortSignal): Promise<T> => {
    for (let pauseMs = RETRY_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS)) {
      try {
        // Only a call without an answer's shape, or one whose T allows it, gets undefined (204).
        // oxlint-disable-next-line typescript/no-unnecessary-type-assertion -- tsc wants it
        return (await ask(call, signal)) as T;
      } catch (err) {
        if (!(err instanceof ServerUnavailable)) throw err;
        await delay(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
  };

  return {
    ask,
    send,
    open: (path, leaseToken, signal) => request({ path, method: "GET", leaseToken }, signal),
  };
}

/** `fetch` has the reason in the cause of its error. */
function reasonOf({ message, cause }: ServerUnavailable): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return inner instanceof Error && inner.message !== "" ? inner.message : message;
}

function headersOf<T>(call: Call<T>, token: string): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    ...(call.leaseToken === undefined ? {} : { [LEASE_HEADER]: call.leaseToken }),
    ...(call.json === undefined ? {} : { "content-type": "application/json" }),
    ...(call.bytes || call.openBody ? { "content-type": "application/octet-stream" } : {}),
  };
}

function bodyOf<T>(call: Call<T>): RequestInit {
  if (call.json !== undefined) return { body: JSON.stringify(call.json) };
  if (call.bytes !== undefined) return { body: call.bytes };
  if (call.openBody !== undefined) return { body: call.openBody(), duplex: "half" };
  return {};
}

async function readAnswer<T>(
  call: Call<T>,
  response: Response,
  signal: AbortSignal,
): Promise<T | undefined> {
  if (response.status === 204) return undefined;
  const text = await response.text().catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new ServerUnavailable("The server's answer broke off.", { cause });
  });
  if (response.ok) return call.answer?.parse(JSON.parse(text));
  if (response.status === 409) throw new Stopped("lease-lost");
  if (response.status === 422) {
    const { code, message, hint } = refusal.parse(JSON.parse(text));
    throw new UserFault(code, message, { hint });
  }
  if (response.status >= 500 || response.status === 429) {
    throw new ServerUnavailable(`The server answered ${response.status} to ${call.path}.`);
  }
  throw new Error(`The server refused ${call.path} with ${response.status}: ${text.slice(0, 500)}`);
}
