import { createHash, timingSafeEqual } from "node:crypto";
import type { NextFunction, Request, Response } from "express";
import { LEASE_HEADER } from "../../shared/protocol.ts";

/** Lets only one kind of worker in, so that a stolen token of one kind is useless for another. */
export function onlyWorkers(token: string) {
  const expected = digest(token);
  return (request: Request, response: Response, next: NextFunction): void => {
    const given = /^Bearer (.+)$/.exec(request.get("authorization") ?? "")?.[1] ?? "";
    if (timingSafeEqual(digest(given), expected)) next();
    else response.status(401).json({ error: "This token is not of this kind of worker." });
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

export function leaseTokenOf(request: Request): string {
  return request.get(LEASE_HEADER) ?? "";
}

/** Undefined means that a newer attempt owns the work: the caller must stop. */
export function answerOrStale(response: Response, answer: object | undefined): void {
  if (answer === undefined) response.status(409).json({ error: "stale" });
  else response.json(answer);
}
