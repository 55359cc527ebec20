import express from "express";
import type { Request, Response } from "express";

/** GitHub's own caps: it sends no larger body and waits no longer. */
export const BODY_BYTES_MAX = 25 * 2 ** 20;
export const BODY_TIMEOUT_MS = 10_000;
/** Of all large bodies being read at once: who cannot sign must not fill our memory either. */
const LARGE_BODIES_BYTES_MAX = 64 * 2 ** 20;
/** Smaller ones are never turned away for it, for pushes are some 20 KB. */
const LARGE_BYTES = 2 ** 20;

export type Body =
  | { readonly kind: "read"; readonly bytes: Buffer }
  | {
      readonly kind: "refused";
      readonly status: 400 | 408 | 413 | 415 | 503;
      readonly reason: string;
    };

export type BodyReader = (request: Request, response: Response) => Promise<Body>;

/** Reads bodies as raw bytes: parsed and printed again they would not be those that were signed. */
export function bodyReader({ timeoutMs = BODY_TIMEOUT_MS } = {}): BodyReader {
  const readRaw = express.raw({ type: () => true, limit: BODY_BYTES_MAX, inflate: false });
  let reservedBytes = 0;

  return async (request, response) => {
    const declared = Number(request.headers["content-length"] ?? BODY_BYTES_MAX);
    const bytes = declared < LARGE_BYTES ? 0 : Math.min(declared, BODY_BYTES_MAX);
    if (reservedBytes + bytes > LARGE_BODIES_BYTES_MAX) return TOO_MANY;
    reservedBytes += bytes;
    const { promise, resolve } = Promise.withResolvers<Body>();
    const timer = setTimeout(() => resolve(TOO_SLOW), timeoutMs);
    // Of a body over the limit the rest is read and dropped, so that the sender hears the 413.
    readRaw(request, response, (err?: unknown) => {
      resolve(err === undefined ? bodyOf(request) : refusalOf(err));
    });
    const body = await promise;
    clearTimeout(timer);
    reservedBytes -= bytes;
    return body;
  };
}

const TOO_LARGE = refused(413, "the body is larger than 25 MB");
const TOO_SLOW = refused(408, "the body did not arrive within 10 seconds");
const TOO_MANY = refused(503, "too many large deliveries at once; deliver again");

function refused(status: 400 | 408 | 413 | 415 | 503, reason: string) {
  return { kind: "refused", status, reason } as const;
}

function bodyOf(request: Request): Body {
  const bytes: unknown = request.body;
  return { kind: "read", bytes: Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0) };
}

function refusalOf(err: unknown): Body {
  const status = err instanceof Error && "status" in err ? err.status : 400;
  if (status === 413) return TOO_LARGE;
  if (status === 415) return refused(415, "a compressed body is not accepted");
  return refused(400, "the body broke off");
}
