import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Request, RequestHandler, Response } from "express";

/** What the store keeps of browsers that signed in by link. */
export interface Sessions {
  /** Trades a one-time link for a browser's token; undefined when it was used or is too old. */
  redeemLink(linkToken: string): Promise<string | undefined>;
  isValid(browserToken: string): Promise<boolean>;
  /** Of a token that the admin token made, and that has no record until then. */
  isEnded(browserToken: string): Promise<boolean>;
  end(browserToken: string): Promise<void>;
}

export interface AuthDeps {
  readonly adminToken: string;
  readonly sessions: Sessions;
  /** Opens reading, and only reading, to everybody. */
  readonly anonymousRead: boolean;
  readonly now: () => number;
  publicUrlOf(request: Request): string;
}

/** Who asks: `admin` may act, `reader` may look, undefined may do neither. */
export type Visitor = "admin" | "reader";

export const SESSION_MS = 30 * 24 * 60 * 60 * 1_000;
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Who sent a request, as `identify` found out; undefined before it ran or when nobody is known. */
export function visitorOf(response: Response): Visitor | undefined {
  const visitor: unknown = response.locals["visitor"];
  return visitor === "admin" || visitor === "reader" ? visitor : undefined;
}

/**
 * Finds out who asks, and refuses requests that change something and were sent by another site's
 * page: the cookie alone would go with those of the same site.
 */
export function identify(deps: AuthDeps): RequestHandler {
  return async (request, response, next) => {
    const bearer = bearerOf(request);
    if (bearer !== undefined) {
      if (isSameSecret(bearer, deps.adminToken)) response.locals["visitor"] = "admin";
      return next();
    }
    if (await hasGoodCookie(request, deps)) {
      if (!isSafe(request) && !isFromOwnPage(request, deps)) {
        response.locals["isForeign"] = true;
        return next();
      }
      response.locals["visitor"] = "admin";
    } else if (deps.anonymousRead && isSafe(request)) {
      response.locals["visitor"] = "reader";
    }
    next();
  };
}

/** True for a signed-in browser whose request came from another site's page. */
export function isForeign(response: Response): boolean {
  return response.locals["isForeign"] === true;
}

/** Lets only known visitors pass; programs read why not. */
export const requireVisitor: RequestHandler = (_request, response, next) => {
  if (visitorOf(response) !== undefined) return next();
  if (isForeign(response)) {
    response.status(403).json({
      error: "This request was sent by a page of another site.",
      hint: "Send the admin token as bearer instead of a cookie.",
    });
    return;
  }
  response.status(401).set("WWW-Authenticate", 'Bearer realm="tatara"').json({
    error: "This needs the admin token.",
    hint: "Send the header `Authorization: Bearer <token>`; the token is in the file admin-token of the data folder.",
  });
};

/**
 * The request's sender says it is one of our own pages. Browsers send `Sec-Fetch-Site` with every
 * request to a trustworthy address, and `Origin` with every POST.
 */
export function isFromOwnPage(
  request: Request,
  { publicUrlOf }: Pick<AuthDeps, "publicUrlOf">,
): boolean {
  const site = request.get("Sec-Fetch-Site");
  if (site !== undefined) return site === "same-origin";
  const origin = request.get("Origin");
  if (origin === undefined || !URL.canParse(origin)) return false;
  const { host } = new URL(origin);
  return host === request.get("Host") || host === new URL(publicUrlOf(request)).host;
}

/** Compares in a time that does not depend on where the texts differ. */
export function isSameSecret(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** Sets the cookie of a signed-in browser. */
export function setSession(
  request: Request,
  response: Response,
  deps: AuthDeps,
  token: string,
): void {
  const isSecure = isHttps(request, deps);
  response.cookie(cookieName(isSecure), token, {
    httpOnly: true,
    sameSite: "lax",
    secure: isSecure,
    path: "/",
    maxAge: SESSION_MS,
  });
}

/** Signs the browser out: its token is good for nobody from now on. */
export async function endSession(
  request: Request,
  response: Response,
  deps: AuthDeps,
): Promise<void> {
  const isSecure = isHttps(request, deps);
  const token = readCookie(request, cookieName(isSecure)) ?? "";
  // Only of who is signed in: strangers leave no records.
  if (await isGoodToken(token, deps)) await deps.sessions.end(token);
  response.clearCookie(cookieName(isSecure), {
    httpOnly: true,
    sameSite: "lax",
    secure: isSecure,
    path: "/",
  });
}

/**
 * Token of a browser that showed the admin token: it needs no record while it is good, ends by itself
 * or by signing out, and is void once the admin token is another.
 */
export function adminSession({ adminToken, now }: Pick<AuthDeps, "adminToken" | "now">): string {
  const endsAt = now() + SESSION_MS;
  return `a.${endsAt}.${adminMac(adminToken, endsAt)}`;
}

function isAdminSession(token: string, { adminToken, now }: AuthDeps): boolean {
  const [, endsAt = "", mac = ""] = /^a\.(\d{1,16})\.([0-9a-f]{64})$/.exec(token) ?? [];
  if (endsAt === "" || Number(endsAt) <= now()) return false;
  return isSameSecret(mac, adminMac(adminToken, Number(endsAt)));
}

function adminMac(adminToken: string, endsAt: number): string {
  return createHmac("sha256", adminToken).update(`browser ${endsAt}`).digest("hex");
}

async function hasGoodCookie(request: Request, deps: AuthDeps): Promise<boolean> {
  return await isGoodToken(readCookie(request, cookieName(isHttps(request, deps))) ?? "", deps);
}

async function isGoodToken(token: string, deps: AuthDeps): Promise<boolean> {
  if (token === "") return false;
  if (isAdminSession(token, deps)) return !(await deps.sessions.isEnded(token));
  return await deps.sessions.isValid(token);
}

/** A cookie's value; undefined when it is not there or not readable. */
export function readCookie(request: Request, name: string): string | undefined {
  for (const part of (request.get("Cookie") ?? "").split(";")) {
    const [key = "", value = ""] = part.trim().split("=", 2);
    if (key !== name) continue;
    try {
      return decodeURIComponent(value);
    } catch {
      return undefined; // Not encoded by us, so not ours.
    }
  }
  return undefined;
}

function bearerOf(request: Request): string | undefined {
  return /^bearer +(\S+)$/i.exec(request.get("Authorization") ?? "")?.[1];
}

function isSafe(request: Request): boolean {
  return SAFE_METHODS.has(request.method);
}

/** Over https the browser itself guards the name: only this host, only this path, only secure. */
function cookieName(isSecure: boolean): string {
  return isSecure ? "__Host-tatara" : "tatara";
}

function isHttps(request: Request, { publicUrlOf }: Pick<AuthDeps, "publicUrlOf">): boolean {
  return publicUrlOf(request).startsWith("https://");
}
