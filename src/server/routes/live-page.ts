import { createHash } from "node:crypto";
import type { Request, RequestHandler, Response } from "express";
import { readCookie, visitorOf } from "../auth.ts";
import { documentOf, pageBody } from "../pages/layout.ts";
import { THEMES, type Page, type PageContext } from "../pages/page.ts";
import { errorPage, type Trouble } from "../pages/error.ts";
import { coalesce, openEventStream, type EventStream } from "./events.ts";
import { queryText, type RouteDeps } from "./web-deps.ts";

/** A page's data and how it is drawn. Drawn anew on changes, without its log. */
export type Loaded =
  | {
      readonly kind: "page";
      /** What the page shows: two equal ones are the same page, whatever the clock says. */
      readonly data: unknown;
      readonly view: (context: PageContext) => Page;
      /** The page of one build hears only of it, and of its logs. */
      readonly buildId?: string;
    }
  | { readonly kind: "moved"; readonly to: string }
  | { readonly kind: "trouble"; readonly trouble: Trouble };

export type Load = (request: Request, options: { readonly withLog: boolean }) => Promise<Loaded>;

export const FRAGMENT_TYPE = "application/vnd.tatara.fragment";
export const THEME_COOKIE = "tatara-theme";
const DRAW_PAUSE_MS = 150;
const LOG_PAUSE_MS = 60;
/** Whoever missed an event reads the record, and sees workers come and go. */
const LOOK_AGAIN_MS = 20_000;

export function pageOf(data: unknown, view: Extract<Loaded, { kind: "page" }>["view"]) {
  return { kind: "page", data, view } as const;
}

export function troubleOf(what: Trouble): Loaded {
  return { kind: "trouble", trouble: what };
}

/**
 * One address, three answers: the document; its body alone if it changed (`FRAGMENT_TYPE`); and,
 * as server-sent events, its body after every change.
 */
export function livePage(deps: RouteDeps, load: Load): RequestHandler {
  return async (request, response) => {
    const accept = request.get("Accept") ?? "";
    if (accept.includes("text/event-stream"))
      return await streamPage(deps, load, request, response);
    const isFragment = accept.includes(FRAGMENT_TYPE);
    const loaded = await load(request, { withLog: !isFragment });
    if (loaded.kind === "moved") return response.redirect(303, loaded.to);
    if (loaded.kind === "trouble")
      return await sendTrouble(deps, request, response, loaded.trouble);
    const context = await contextOf(deps, request, response);
    const version = versionOf(loaded.data, context);
    const page = loaded.view(context);
    if (!isFragment) {
      response.type("html").send(documentOf(page, context, version));
    } else if (version === queryText(request, "_have")) {
      response.status(204).end();
    } else {
      response.set("Tatara-Version", version).type(FRAGMENT_TYPE);
      response.send(pageBody(page, context).markup);
    }
  };
}

export async function sendTrouble(
  deps: RouteDeps,
  request: Request,
  response: Response,
  trouble: Trouble,
): Promise<void> {
  response.status(trouble.status);
  await sendPage(deps, request, response, errorPage(trouble));
}

/** A page that does not change while it is open; its status is set already. */
export async function sendPage(
  deps: RouteDeps,
  request: Request,
  response: Response,
  page: Page,
): Promise<void> {
  const context = await contextOf(deps, request, response);
  response.type("html").send(documentOf(page, context, ""));
}

export async function contextOf(
  deps: RouteDeps,
  request: Request,
  response: Response,
): Promise<PageContext> {
  const theme = readCookie(request, THEME_COOKIE);
  const visitor = visitorOf(response);
  return {
    publicUrl: deps.publicUrlOf(request),
    now: deps.now(),
    path: request.originalUrl,
    theme: THEMES.find((known) => known === theme) ?? "auto",
    assets: deps.assets.addresses,
    visitor,
    counts: visitor === undefined ? undefined : await deps.read.counts(),
    problems: visitor === undefined ? [] : (await deps.diskHealth(true)).problems,
  };
}

function versionOf(
  data: unknown,
  { counts, problems }: Pick<PageContext, "counts" | "problems">,
): string {
  return createHash("sha256")
    .update(JSON.stringify([data, counts ?? {}, problems]))
    .digest("base64url")
    .slice(0, 16);
}

async function streamPage(
  deps: RouteDeps,
  load: Load,
  request: Request,
  response: Response,
): Promise<void> {
  const first = await load(request, { withLog: false });
  if (first.kind !== "page") {
    response.status(404).json({ error: "There is no page to watch here." });
    return;
  }
  const stream = openEventStream(request, response, deps.stopping);
  if (stream === undefined) return;
  const { buildId } = first;
  const { signal } = stream;
  const onError = (err: unknown): void => {
    deps.logger.warn({ err, path: request.path }, "Live page ended early");
    response.destroy();
  };
  let shown = request.get("Last-Event-ID") ?? queryText(request, "_have") ?? "";

  const draw = coalesce(
    async () => {
      const loaded = await load(request, { withLog: false });
      if (loaded.kind !== "page") return;
      const context = await contextOf(deps, request, response);
      const version = versionOf(loaded.data, context);
      if (version === shown) return;
      shown = version;
      const data = pageBody(loaded.view(context), context).markup;
      await stream.send({ name: "page", id: version, data });
    },
    { pauseMs: DRAW_PAUSE_MS, signal, onError },
  );

  const stops = [
    deps.live.onBuild((id) => {
      if (buildId === undefined || buildId === id) draw();
    }),
  ];
  if (buildId === undefined) stops.push(deps.live.onPublish(draw));
  else stops.push(watchLogs(deps, buildId, stream, onError));
  const timer = setInterval(draw, LOOK_AGAIN_MS);
  signal.addEventListener("abort", () => {
    clearInterval(timer);
    for (const stop of stops) stop();
  });
  // Something may have changed between the document and this stream.
  draw();
}

/**
 * Tells how long the logs of a build are by now. The bytes themselves are asked for: so a reader
 * that is slow, hidden or asleep costs nothing here and misses nothing.
 */
export function watchLogs(
  { live }: Pick<RouteDeps, "live">,
  buildId: string,
  stream: EventStream,
  onError: (err: unknown) => void,
): () => void {
  const grown = new Map<string, object>();
  const tell = coalesce(
    async () => {
      const news = [...grown.values()];
      grown.clear();
      for (const one of news) await stream.send({ name: "log", data: JSON.stringify(one) });
    },
    { pauseMs: LOG_PAUSE_MS, signal: stream.signal, onError },
  );
  return live.onLog(({ buildId: id, jobId, attempt, step }, sizeBytes) => {
    if (id !== buildId) return;
    grown.set(`${jobId} ${attempt} ${step}`, { job: jobId, attempt, step, sizeBytes });
    tell();
  });
}
