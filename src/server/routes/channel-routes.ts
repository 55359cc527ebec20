import { json, Router, text, type Request, type RequestHandler, type Response } from "express";
import { isChannelName, isTargetName } from "../../domain/channel.ts";
import {
  createChannelRequest,
  importRequest,
  patchChannelRequest,
  pinRequest,
} from "../../shared/channel-requests.ts";
import type { YumLayout } from "../../yum/layout.ts";
import { identify, requireVisitor, type AuthDeps } from "../auth.ts";
import type { ChannelActions } from "../changes/channel-actions.ts";
import { EXTRA_TYPES } from "../changes/extras.ts";
import { FILES_PAGE_MAX, readPackageDetails } from "../changes/package-details.ts";
import { isRefused, noSuchChannel, refused } from "../changes/refused.ts";
import { diffGenerations } from "../store/changes.ts";
import type { Store } from "../store/store.ts";
import type { ChannelView, ReadStore } from "../views.ts";
import { ADMIN, answer, badRequest, readBody } from "./change-routes.ts";
import {
  channelJson,
  channelViewJson,
  detailsJson,
  generationJson,
  packageJson,
  packageNameJson,
} from "./channel-json.ts";
import { dataHeaders } from "./headers.ts";
import { queryInteger, queryText } from "./web-deps.ts";

export interface ChannelRoutesDeps extends AuthDeps {
  readonly read: ReadStore;
  readonly store: Store;
  readonly channelActions: ChannelActions;
  readonly layout: YumLayout;
}

const MESSAGE_MAX = "64kb";
const EXTRA_MAX = "8mb";
const DIFF_MAX = 10_000;
const NAMES_DEFAULT = 50;
const NAMES_MAX = 500;
const FILES_DEFAULT = 200;
const NUMBER = /^[1-9]\d{0,14}$/;

/** Channels and packages; see docs/reference/channels.md. */
export function channelRoutes(deps: ChannelRoutesDeps): Router {
  const router = Router();
  router.use(["/api/channels", "/api/packages"], identify(deps), dataHeaders, requireVisitor);
  addReading(router, deps);
  addChanging(router, deps);
  addPackages(router, deps);
  return router;
}

function addReading(router: Router, deps: ChannelRoutesDeps): void {
  const { read, publicUrlOf } = deps;
  router.get("/api/channels", async (request, response) => {
    const url = publicUrlOf(request);
    const channels = await read.listChannels();
    response.json({ channels: channels.map((channel) => channelJson(channel, url)) });
  });
  router.get(
    "/api/channels/:name",
    withChannel(deps, async (channel, request, response) => {
      response.json(channelViewJson(channel, publicUrlOf(request)));
    }),
  );
  router.get(
    "/api/channels/:name/generations",
    withChannel(deps, async ({ head, generations }, _request, response) => {
      response.json({ head, generations: generations.map(generationJson) });
    }),
  );
  router.get("/api/channels/:name/generations/:number/diff", withChannel(deps, sendDiff(deps)));
}

type ChannelHandler = (channel: ChannelView, request: Request, response: Response) => Promise<void>;

function withChannel({ read }: ChannelRoutesDeps, handle: ChannelHandler): RequestHandler {
  return async (request, response) => {
    const name = nameOf(request);
    const channel = isChannelName(name) ? await read.channelByName(name) : undefined;
    if (channel === undefined) return answer(response, noSuchChannel(name));
    await handle(channel, request, response);
  };
}

function nameOf(request: Request): string {
  return String(request.params["name"]);
}

/** From the generation in the path to `to`, which is the head if it is left out. */
function sendDiff({ store }: ChannelRoutesDeps): ChannelHandler {
  return async ({ name, head }, request, response) => {
    const given = [String(request.params["number"]), queryText(request, "to") ?? String(head)];
    if (!given.every((number) => NUMBER.test(number))) {
      return answer(response, badRequest("Generations are numbers from 1 on."));
    }
    const [from = 0, to = 0] = given.map(Number);
    if (Math.max(from, to) > head) {
      const hint = `Its newest is ${head}.`;
      return answer(response, refused(404, `${name} has no such generation.`, hint));
    }
    const difference = await diffGenerations(store, name, { from, to, limit: DIFF_MAX });
    response.json({ channel: name, from, to, ...difference });
  };
}

function addChanging(router: Router, { channelActions }: ChannelRoutesDeps): void {
  const body = json({ limit: MESSAGE_MAX });
  router.post("/api/channels", body, async (request, response) => {
    const wish = readBody(request, response, createChannelRequest);
    if (wish === undefined) return;
    const made = await channelActions.create(wish, ADMIN);
    answer(response, isRefused(made) ? made : { name: wish.name, ...made }, 201);
  });
  router.patch("/api/channels/:name", body, async (request, response) => {
    const wish = readBody(request, response, patchChannelRequest);
    if (wish === undefined) return;
    answer(response, await channelActions.patch(nameOf(request), wish, ADMIN));
  });
  router.delete("/api/channels/:name", async (request, response) => {
    answer(response, await channelActions.remove(nameOf(request)));
  });
  router.post("/api/channels/:name/pins", body, async (request, response) => {
    const wish = readBody(request, response, pinRequest);
    if (wish === undefined) return;
    answer(response, await channelActions.pin(nameOf(request), wish));
  });
  router.post("/api/channels/:name/import", body, async (request, response) => {
    const wish = readBody(request, response, importRequest);
    if (wish === undefined) return;
    answer(response, await channelActions.import(nameOf(request), wish, ADMIN), 202);
  });
  const extras = "/api/channels/:name/:target/extras/:type";
  const anyText = text({ limit: EXTRA_MAX, type: () => true });
  const putExtra =
    (takesAway: boolean): RequestHandler =>
    async (request, response) => {
      const { target, type: typeText } = request.params;
      const type = EXTRA_TYPES.find((known) => known === typeText);
      if (type === undefined || !isTargetName(String(target))) {
        const form = `PUT /api/channels/<name>/<target>/extras/<${EXTRA_TYPES.join("|")}>`;
        return answer(response, badRequest(`The address is ${form}.`));
      }
      const extra = { target: String(target), type, text: takesAway ? null : textOf(request) };
      answer(response, await channelActions.setExtra(nameOf(request), extra, ADMIN), 202);
    };
  router.put(extras, anyText, putExtra(false));
  router.delete(extras, putExtra(true));
}

function textOf({ body }: Request): string {
  return typeof body === "string" ? body : "";
}

function addPackages(router: Router, { read, layout, publicUrlOf }: ChannelRoutesDeps): void {
  router.get("/api/packages", async (request, response) => {
    const limit = queryInteger(request, "limit", { min: 1, max: NAMES_MAX }) ?? NAMES_DEFAULT;
    if (limit === "bad") {
      return answer(response, badRequest(`limit is a number from 1 to ${NAMES_MAX}.`));
    }
    const query = queryText(request, "query");
    const afterName = queryText(request, "after");
    const packages = await read.listPackages({
      limit,
      ...(query === undefined ? {} : { query }),
      ...(afterName === undefined ? {} : { afterName }),
    });
    response.json({ packages: packages.map(packageNameJson) });
  });

  router.get("/api/packages/:name", async (request, response) => {
    const versions = await read.packagesByName(nameOf(request));
    if (versions.length === 0) return noSuchPackage(response, nameOf(request));
    const url = publicUrlOf(request);
    response.json({
      name: nameOf(request),
      versions: versions.map((one) => packageJson(one, url)),
    });
  });

  router.get("/api/packages/:name/:nevra", async (request, response) => {
    const { nevra } = request.params;
    const one = await read.packageByNevra(nevra);
    if (one === undefined || one.name !== nameOf(request)) return noSuchPackage(response, nevra);
    const from = queryInteger(request, "files-from", { min: 0, max: 10_000_000 }) ?? 0;
    const count = queryInteger(request, "files", { min: 0, max: FILES_PAGE_MAX }) ?? FILES_DEFAULT;
    if (from === "bad" || count === "bad") {
      return answer(response, badRequest(`files is a number from 0 to ${FILES_PAGE_MAX}.`));
    }
    const details = await readPackageDetails(layout, one, { from, count });
    const build = one.buildId === null ? undefined : await read.buildById(one.buildId);
    const url = publicUrlOf(request);
    response.json({
      ...packageJson(one, url),
      // Null: its bytes are deleted.
      details: details === undefined ? null : detailsJson(details),
      provenance:
        build === undefined
          ? null
          : {
              repo: build.repo,
              sha: build.sha,
              ref: build.ref,
              message: build.message,
              logUrl: `${url}/api/builds/${build.id}/log`,
            },
    });
  });
}

function noSuchPackage(response: Response, name: string): void {
  const error = `There is no package ${JSON.stringify(name)}.`;
  answer(response, refused(404, error, "GET /api/packages?query= finds packages."));
}
