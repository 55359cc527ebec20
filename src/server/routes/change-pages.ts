import express, { Router, type Request, type RequestHandler, type Response } from "express";
import type { ChangePlan, ChangeRequest } from "../../shared/channel-changes.ts";
import { visitorOf } from "../auth.ts";
import { isRefused, type Refused } from "../changes/refused.ts";
import { readChange, text, texts, type Fields } from "../pages/change-form.ts";
import { changeResultPage, type MadeGeneration } from "../pages/change-result.ts";
import { changeSheet } from "../pages/change-sheet.ts";
import { notFound, type Trouble } from "../pages/error.ts";
import { html, said } from "../pages/html.ts";
import { loginPage } from "../pages/login.ts";
import { channelPath, packagePath } from "../pages/parts.ts";
import type { ReadStore } from "../views.ts";
import { ADMIN, goneSignal } from "./change-routes.ts";
import { livePage, pageOf, sendPage, sendTrouble, troubleOf, type Load } from "./live-page.ts";
import type { RouteDeps } from "./web-deps.ts";

/** What a change would do, the form that does it, and what became of it. */
export function changePages(deps: RouteDeps): Router {
  // A sheet for a large set of packages says them all.
  const form = express.urlencoded({ extended: false, limit: "1mb", parameterLimit: 6_000 });
  return Router()
    .get("/change", onlyAdmins(deps), showSheet(deps))
    .post("/change", form, applyChange(deps))
    .get("/changes/:id", livePage(deps, loadResult(deps)));
}

/** Readers may not do it, so they are not shown how it is done. */
function onlyAdmins(deps: RouteDeps): RequestHandler {
  return async (request, response, next) => {
    if (visitorOf(response) === "admin") return next();
    response.status(401);
    const page = loginPage({ next: request.originalUrl, problem: "none" });
    await sendPage(deps, request, response, page);
  };
}

function showSheet(deps: RouteDeps): RequestHandler {
  return async (request, response) => {
    const wish = readChange(request.query);
    if (wish === undefined) return await sendTrouble(deps, request, response, UNREADABLE);
    const plan = await deps.changes.plan(wish);
    if (isRefused(plan)) return await sendTrouble(deps, request, response, refusedTrouble(plan));
    await sendSheet(deps, request, response, { wish, plan, notice: null });
  };
}

function applyChange(deps: RouteDeps): RequestHandler {
  return async (request, response) => {
    const fields = (request.body ?? {}) as Fields;
    const wish = readChange(fields);
    if (wish === undefined) return await sendTrouble(deps, request, response, UNREADABLE);
    const plan = await deps.changes.plan(wish);
    if (isRefused(plan)) return await sendTrouble(deps, request, response, refusedTrouble(plan));
    const notice = whyNotYet(wish, plan, fields);
    if (notice !== null) {
      response.status(422);
      return await sendSheet(deps, request, response, { wish, plan, notice });
    }
    const result = await deps.changes.apply(wish, ADMIN, goneSignal(response));
    if (isRefused(result)) {
      response.status(result.status);
      return await sendSheet(deps, request, response, { wish, plan, notice: result.error });
    }
    // Reloading what comes next does nothing again.
    response.redirect(
      303,
      result.publishId === null ? backOf(wish) : `/changes/${result.publishId}`,
    );
  };
}

/** What the person must see or say first; null: nothing. */
function whyNotYet(wish: ChangeRequest, plan: ChangePlan, fields: Fields): string | null {
  const seen = texts(fields, "head");
  const heads = new Set(plan.channels.map(({ name, head }) => `${name}:${head}`));
  const isSame = seen.length === heads.size && seen.every((head) => heads.has(head));
  const isMoved = seen.length > 0 && !isSame;
  if (isMoved) return "Something else changed meanwhile: this is what would happen now.";
  if (wish.kind === "yank" && wish.note === "") return "Say why: the reason is shown with it.";
  if (wish.kind === "promote" && plan.problems.length > 0 && !wish.force) {
    return "It would not install there. Tick the box to do it all the same.";
  }
  if (plan.confirm === null || text(fields, "confirm")?.trim() === plan.confirm) return null;
  return `Type ${plan.confirm} into the last field: this changes what production hosts install.`;
}

interface Sheet {
  readonly wish: ChangeRequest;
  readonly plan: ChangePlan;
  readonly notice: string | null;
}

async function sendSheet(
  deps: RouteDeps,
  request: Request,
  response: Response,
  { wish, plan, notice }: Sheet,
): Promise<void> {
  const page = changeSheet({ request: wish, plan, notice, back: backOf(wish) });
  await sendPage(deps, request, response, page);
}

/** The page that shows what the change is about. */
function backOf(wish: ChangeRequest): string {
  if (wish.kind === "promote") return channelPath(wish.from ?? wish.to);
  if (wish.kind !== "yank") return channelPath(wish.channel);
  const [nevra = ""] = wish.packages;
  return packagePath(nevra.replace(/-[^-]*-[^-]*$/, ""), nevra);
}

function loadResult({ changes, read }: RouteDeps): Load {
  return async (request) => {
    const publishId = String(request.params["id"]);
    const result = await changes.find(publishId);
    if (result === undefined) return troubleOf(notFound("There is no such change"));
    const made = await Promise.all(result.generations.map((one) => generationOf(read, one)));
    const data = {
      result: { ...result, publishId },
      made: made.filter((one) => one !== undefined),
    };
    return pageOf(data, (context) => changeResultPage(data, context));
  };
}

async function generationOf(
  read: ReadStore,
  { channel, number }: { readonly channel: string; readonly number: number },
): Promise<MadeGeneration | undefined> {
  const view = await read.channelByName(channel);
  const generation = view?.generations.find((one) => one.number === number);
  if (view === undefined || generation === undefined) return undefined;
  return { channel, head: view.head, generation };
}

const UNREADABLE: Trouble = {
  status: 400,
  what: "This form asks for no change that there is",
  next: html`Nothing was changed. <a href="/channels">All channels</a>,
    <a href="/packages">all packages</a>.`,
};

export function refusedTrouble({ status, error, hint }: Refused): Trouble {
  // Some hints are for programs that use the API; people have the links.
  const advice = /\bGET \//.test(hint) ? null : said(hint);
  return {
    status,
    what: error,
    next: html`Nothing was changed. ${advice} <a href="/channels">All channels</a>,
      <a href="/packages">all packages</a>.`,
  };
}
