import type { Caller } from "./callers.ts";

/**
 * Who is let in:
 * `open` everybody; `reader` who may see builds; `admin` who may act; `secret` whoever may act, to read;
 * `sheet` the same as a page; `build`, `publish`, `report` that kind of worker; `lease` and
 * `publish-lease` such a worker with the lease of the work that the address names; `hook` a signed
 * delivery; `clone` and `push` git's callers; `greeting` everybody, and who is signed in is led on;
 * `sign-in` and `sign-out` our own pages.
 */
export type Door =
  | "open"
  | "reader"
  | "admin"
  | "secret"
  | "sheet"
  | "build"
  | "publish"
  | "report"
  | "lease"
  | "publish-lease"
  | "hook"
  | "clone"
  | "push"
  | "greeting"
  | "sign-in"
  | "sign-out";

/** What a caller hears at a door; `in`: what the route itself answers. */
export type Verdict = "in" | 303 | 401 | 403 | 409;

export interface Visit {
  readonly door: Door;
  readonly isRead: boolean;
  readonly caller: Caller;
  readonly mayAnybodyRead: boolean;
}

const WORKERS: Partial<Record<Caller, Door>> = {
  "build worker": "build",
  "publish worker": "publish",
  "report worker": "report",
};

export function verdictOf(visit: Visit): Verdict {
  const { door, caller } = visit;
  switch (door) {
    case "open":
      return "in";
    case "reader":
    case "admin":
    case "secret":
    case "sheet":
      return visitorVerdict(visit);
    case "build":
    case "publish":
    case "report":
      return WORKERS[caller] === door ? "in" : 401;
    case "lease":
      // It is of this kind, and holds nothing.
      return caller === "build worker" ? 409 : 401;
    case "publish-lease":
      return caller === "publish worker" ? 409 : 401;
    case "hook":
      return 401;
    case "clone":
      return caller === "admin by basic" || caller === "clone credential" ? "in" : 401;
    case "push":
      if (caller === "clone credential") return 403;
      return caller === "admin by basic" ? "in" : 401;
    case "greeting":
      return IS_SIGNED_IN.has(caller) ? 303 : "in";
    case "sign-in":
      return IS_OWN_PAGE.has(caller) ? "in" : 403;
    case "sign-out":
      return IS_FOREIGN.has(caller) ? 403 : "in";
  }
}

const IS_FOREIGN: ReadonlySet<Caller> = new Set(["other site's page", "page without origin"]);
const IS_SIGNED_IN: ReadonlySet<Caller> = new Set(["admin", "own page", ...IS_FOREIGN]);
const IS_OWN_PAGE: ReadonlySet<Caller> = new Set([
  "own page",
  "expired page",
  "signed-out page",
  "page signed out of a link",
  "sign-in link as cookie",
]);
/** Who shows a bearer is taken by it alone: a wrong one is not even a reader. */
const HAS_WRONG_BEARER: ReadonlySet<Caller> = new Set([
  "wrong token",
  "build worker",
  "publish worker",
  "report worker",
  "lease without worker",
]);

function visitorVerdict({ door, isRead, caller, mayAnybodyRead }: Visit): Verdict {
  if (caller === "admin" || caller === "own page") return "in";
  if (IS_FOREIGN.has(caller)) return isRead ? "in" : 403;
  if (!isRead || !mayAnybodyRead || HAS_WRONG_BEARER.has(caller)) return 401;
  return door === "reader" ? "in" : door === "secret" ? 403 : 401;
}
