import express, { Router, type Request } from "express";
import { isChannelName, isTargetName } from "../../domain/channel.ts";
import { pinRequest } from "../../shared/channel-requests.ts";
import { isRefused } from "../changes/refused.ts";
import { text, type Fields } from "../pages/change-form.ts";
import { channelPage, shownTarget } from "../pages/channel.ts";
import type { PackagesPage } from "../pages/channel-packages.ts";
import { channelsPage, neighbours } from "../pages/channels.ts";
import { notFound } from "../pages/error.ts";
import { generationPath } from "../pages/parts.ts";
import { livePage, pageOf, sendTrouble, troubleOf, type Load } from "./live-page.ts";
import { refusedTrouble } from "./change-pages.ts";
import { queryText, type RouteDeps } from "./web-deps.ts";

const NAMES_PER_PAGE = 50;

/** Channels: what they list, how they came to it, and their pins. */
export function channelPages(deps: RouteDeps): Router {
  const form = express.urlencoded({ extended: false, limit: "10kb" });
  return Router()
    .get("/channels", livePage(deps, loadChannels(deps)))
    .get("/channels/:name", livePage(deps, loadChannel(deps)))
    .post("/channels/:name/pins", form, pin(deps));
}

function loadChannels({ read, keyFingerprint }: RouteDeps): Load {
  return async () => {
    const channels = await read.listChannels();
    const pairs = neighbours(channels);
    const names = new Set(pairs.flatMap(({ from, to }) => [from.name, to.name]));
    const [line, promotions, key] = await Promise.all([
      Promise.all([...names].map((name) => read.channelByName(name))),
      Promise.all(
        pairs.map(async ({ from, to }) => ({
          from: from.name,
          to: to.name,
          counts: await read.promotionCounts(from, to),
        })),
      ),
      keyFingerprint(),
    ]);
    const data = {
      channels,
      line: line.filter((channel) => channel !== undefined),
      promotions,
      keyFingerprint: key,
    };
    return pageOf(data, (context) => channelsPage(data, context));
  };
}

function loadChannel({ read, keyFingerprint }: RouteDeps): Load {
  return async (request) => {
    const name = String(request.params["name"]);
    const channel = isChannelName(name) ? await read.channelByName(name) : undefined;
    if (channel === undefined) return troubleOf(notFound("There is no such channel"));
    const asked = queryText(request, "target");
    const target = asked !== undefined && isTargetName(mainOf(asked)) ? asked : undefined;
    const shown = shownTarget(channel, target);
    const names = namesPage(request);
    const found =
      shown === undefined
        ? []
        : await read.channelPackages({ channel: name, target: shown, ...names.filter });
    const packages: PackagesPage = { ...names.facts, ...firstNames(found) };
    const data = { channel, packages, keyFingerprint: await keyFingerprint(), target };
    return pageOf(data, (context) => channelPage(data, context));
  };
}

/** `el9.x86_64-source` is a target too. */
function mainOf(target: string): string {
  return target.replace(/-(?:source|debug)$/, "");
}

/** Which names a request asks for: a part of them (`q`), after the last one of the page before. */
export function namesPage(request: Request) {
  const wanted = queryText(request, "q")?.trim().slice(0, 200) ?? "";
  const after = queryText(request, "after");
  return {
    facts: { wanted, isFirst: after === undefined },
    filter: {
      // One name more than a page holds tells whether there is a next page.
      limit: NAMES_PER_PAGE + 1,
      ...(wanted === "" ? {} : { query: wanted }),
      ...(after === undefined ? {} : { afterName: after }),
    },
  };
}

/** The page's names, with all that is there of each. */
export function firstNames<T extends { readonly name: string }>(
  found: readonly T[],
): { readonly versions: readonly T[]; readonly nextAfter: string | undefined } {
  const names = [...new Set(found.map(({ name }) => name))];
  const shown = new Set(names.slice(0, NAMES_PER_PAGE));
  return {
    versions: found.filter(({ name }) => shown.has(name)),
    nextAfter: names.length > NAMES_PER_PAGE ? names[NAMES_PER_PAGE - 1] : undefined,
  };
}

function pin(deps: RouteDeps): express.RequestHandler {
  return async (request, response) => {
    const channel = String(request.params["name"]);
    const fields = (request.body ?? {}) as Fields;
    const wish = pinRequest.safeParse({
      generation: Number(text(fields, "generation")),
      isPinned: text(fields, "isPinned") === "true",
    });
    if (!wish.success) return await sendTrouble(deps, request, response, notFound("No such pin"));
    const pinned = await deps.channelActions.pin(channel, wish.data);
    if (isRefused(pinned)) {
      return await sendTrouble(deps, request, response, refusedTrouble(pinned));
    }
    response.redirect(303, generationPath({ channel, number: wish.data.generation ?? 0 }));
  };
}
