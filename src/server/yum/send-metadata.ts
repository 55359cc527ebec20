import { join } from "node:path";
import type { Request, Response } from "express";
import { isChannelName } from "../../domain/channel.ts";
import { absent } from "./absent.ts";
import { IMMUTABLE, NO_CACHE, typeOf } from "./content.ts";
import type { Context, Handler } from "./context.ts";
import { findDocument } from "./documents.ts";
import type { Place } from "./generations.ts";
import {
  earlierSignature,
  isGenerationNumber,
  isHashedFile,
  isIndexFile,
  isServedName,
} from "./names.ts";
import { findChannel, findPlace, param, quoted } from "./places.ts";
import { refuse, sendContent, sendText } from "./send.ts";

/** How many generations back a document is looked for that a client's older index names. */
const EARLIER_MAX = 200;

/** One immutable generation: the newest, or the one in the address, which pins a host to it. */
export const sendMirrorlist: Handler = async (request, response, context) => {
  const pinned = request.params["number"] !== undefined;
  const place = pinned
    ? await findPinned(request, response, context)
    : await findPlace(request, response, context);
  if (place === undefined) return;
  if (pinned && (await context.generations.repodata(place)) === undefined) {
    return refuse(response, noFile("mirrorlist", place));
  }
  const { channel, served, number } = place;
  const etag = `"${channel}.${served}.${number}.mirrorlist"`;
  const headers = { etag, "cache-control": NO_CACHE };
  if (request.headers["if-none-match"] === etag) return void response.writeHead(304, headers).end();
  const url = context.publicUrlOf(request);
  sendText(response, 200, `${url}/yum/${channel}/${served}/g/${number}/`, headers);
};

/** `repomd.xml`, its signature, or a document, of the generation in the address. */
export const sendMetadata: Handler = async (request, response, context) => {
  const place = await findPinned(request, response, context);
  const file = param(request, "file");
  if (place === undefined) return;
  if (isIndexFile(file))
    return sendIndex(request, response, { place, file, caching: IMMUTABLE }, context);
  const repodata = isHashedFile(file) ? await context.generations.repodata(place) : undefined;
  const found = repodata && (await findDocument(file, repodata, context.layout));
  if (found === undefined) return refuse(response, noFile(file, place));
  await sendContent(request, response, found, context.small);
};

/**
 * The plain `baseurl`. dnf fetches the index and its signature one after the other, so a client gets
 * the signature of the index that it was given. Behind one address that is a guess: hence mirrorlist.
 */
export const sendCurrentMetadata: Handler = async (request, response, context) => {
  const place = await findPlace(request, response, context);
  if (place === undefined) return;
  const file = param(request, "file");
  if (isHashedFile(file)) return sendCurrentDocument(request, response, { place, file }, context);

  const client = `${place.channel}/${place.served} ${request.ip} ${request.get("user-agent")}`;
  const earlier = earlierSignature(file);
  const number = earlier ?? pairedNumber(request, client, place, context) ?? place.number;
  const name = earlier === undefined ? file : "repomd.xml.asc";
  if (!isIndexFile(name) || number > place.head) return refuse(response, noFile(file, place));
  const asked = { place: { ...place, number }, file: name, caching: NO_CACHE };
  return sendIndex(request, response, asked, context);
};

/** Of the generation whose index or signature the same fetch has got; undefined: any will do. */
function pairedNumber(
  request: Request,
  client: string,
  { number }: Place,
  { pairings }: Context,
): number | undefined {
  const file = param(request, "file");
  if (file === "repomd.xml.asc") return pairings.find(client);
  if (file !== "repomd.xml") return undefined;
  if (request.method === "HEAD") {
    pairings.begin(client, number);
    return number;
  }
  const given = pairings.signed(client) ?? number;
  pairings.remember(client, given);
  return given;
}

interface AskedFile {
  readonly place: Place;
  readonly file: string;
}

/** From the newest generation that names it: a client's index may be older than the pointer. */
async function sendCurrentDocument(
  request: Request,
  response: Response,
  { place, file }: AskedFile,
  { generations, layout, small }: Context,
): Promise<void> {
  let next: Place | undefined = place;
  for (let tries = 0; next !== undefined && tries < EARLIER_MAX; tries += 1) {
    const repodata = await generations.repodata(next);
    const found = repodata && (await findDocument(file, repodata, layout));
    if (found !== undefined) return sendContent(request, response, found, small);
    next = await generations.before(next);
  }
  return refuse(response, noFile(file, place));
}

async function sendIndex(
  request: Request,
  response: Response,
  { place, file, caching }: AskedFile & { readonly caching: string },
  { generations, small }: Context,
): Promise<void> {
  const repodata = await generations.repodata(place);
  if (repodata === undefined) return refuse(response, noFile(file, place));
  const { since, folder } = repodata;
  const path = join(folder, file);
  const found = await small.read(path).catch(absent);
  if (found === undefined) return refuse(response, noFile(file, place));
  const parts = [{ path, start: 0, bytes: found.length }];
  const tag = `${place.channel}.${place.served}.${since}.${file}`;
  await sendContent(request, response, { parts, tag, type: typeOf(file), caching }, small);
}

/** Answers 404 itself when the address can mean no announced generation. */
async function findPinned(
  request: Request,
  response: Response,
  context: Context,
): Promise<Place | undefined> {
  const channel = param(request, "channel");
  const served = param(request, "target");
  const number = param(request, "number");
  const head = isChannelName(channel) ? (await findChannel(channel, context))?.head : undefined;
  if (head === undefined) {
    refuse(response, `There is no channel ${quoted(channel)}.`);
    return undefined;
  }
  // Above the head is what is staged and not announced.
  if (!isServedName(served) || !isGenerationNumber(number) || Number(number) > head) {
    const newest = `The newest generation of ${channel} is ${head}.`;
    refuse(response, `${quoted(`${served}/g/${number}`)} is no generation. ${newest}`);
    return undefined;
  }
  return { channel, served, number: Number(number) };
}

function noFile(file: string, { channel, served, number }: Place): string {
  const newest = `The newest is named by /yum/${channel}/${served}/mirrorlist.`;
  return `Generation ${number} of ${channel} has no ${quoted(file)} for ${served}, or is not kept any more. ${newest}`;
}
