import express, { Router } from "express";
import {
  adminSession,
  endSession,
  identify,
  isForeign,
  isFromOwnPage,
  isSameSecret,
  setSession,
  visitorOf,
} from "../auth.ts";
import { FOREIGN_FORM } from "../pages/error.ts";
import { loginPage } from "../pages/login.ts";
import { pageHeaders } from "./headers.ts";
import { sendPage, sendTrouble } from "./live-page.ts";
import { queryText, type RouteDeps } from "./web-deps.ts";

/** Signing in, by a one-time link or with the admin token, and out. */
export function signInRoutes(deps: RouteDeps): Router {
  const form = express.urlencoded({ extended: false, limit: "10kb" });
  return Router()
    .get("/login", identify(deps), pageHeaders, enterByLink(deps))
    .post("/login", pageHeaders, form, enterByToken(deps))
    .post("/logout", identify(deps), pageHeaders, leave(deps));
}

function enterByLink(deps: RouteDeps): express.RequestHandler {
  return async (request, response) => {
    const next = localPath(request.query["next"]);
    const link = queryText(request, "t");
    const browser = link === undefined ? undefined : await deps.sessions.redeemLink(link);
    if (browser !== undefined) {
      setSession(request, response, deps, browser);
      return response.redirect(303, next);
    }
    // The link is spent, but who is signed in already need not care.
    if (visitorOf(response) === "admin") return response.redirect(303, next);
    const problem = link === undefined ? "none" : "link-used";
    response.status(link === undefined ? 200 : 401);
    await sendPage(deps, request, response, loginPage({ next, problem }));
  };
}

function enterByToken(deps: RouteDeps): express.RequestHandler {
  return async (request, response) => {
    if (!isFromOwnPage(request, deps)) {
      return await sendTrouble(deps, request, response, FOREIGN_FORM);
    }
    const fields = (request.body ?? {}) as { token?: unknown; next?: unknown };
    const next = localPath(fields.next);
    const token = typeof fields.token === "string" ? fields.token.trim() : "";
    if (!isSameSecret(token, deps.adminToken)) {
      response.status(401);
      return await sendPage(deps, request, response, loginPage({ next, problem: "wrong-token" }));
    }
    setSession(request, response, deps, adminSession(deps));
    response.redirect(303, next);
  };
}

function leave(deps: RouteDeps): express.RequestHandler {
  return async (request, response) => {
    if (isForeign(response)) return await sendTrouble(deps, request, response, FOREIGN_FORM);
    await endSession(request, response, deps);
    response.redirect(303, "/login");
  };
}

/** A path of this server and nothing else, so that a sign-in cannot send anybody elsewhere. */
export function localPath(text: unknown): string {
  if (typeof text !== "string" || !/^\/(?![/\\])/.test(text)) return "/";
  if (!URL.canParse(text, "http://here")) return "/";
  const { host, pathname, search, hash } = new URL(text, "http://here");
  // What is left of "/.//elsewhere" would name another server after all.
  return host === "here" && !pathname.startsWith("//") ? pathname + search + hash : "/";
}
