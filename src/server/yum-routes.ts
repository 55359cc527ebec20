import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Router } from "express";
import type { Request, Response } from "express";
import { isChannelName } from "../domain/channel.ts";
import { pairings } from "./yum-pairings.ts";
import type { Pairings } from "./yum-pairings.ts";

/** A channel's pointer, as the database has it. */
export interface ChannelHead {
  readonly head: number;
  /** Target → the newest generation that changed it; its metadata is there. */
  readonly targets: Readonly<Record<string, number>>;
}

export interface YumDeps {
  readonly yumDir: string;
  readonly heads: { channel(name: string): Promise<ChannelHead | undefined> };
  /** Where this request's client reaches us, without a slash at the end. */
  readonly publicUrlOf: (request: Request) => string;
}

/** Everything that dnf fetches, for mounting at `/yum`. Read-only and open to all. */
export function yumRoutes(deps: YumDeps): Router {
  const context = { ...deps, pairings: pairings() };
  const router = Router({ caseSensitive: true });
  const get = (path: string, handle: Handler) =>
    router.get(path, (request, response) => handle(request, response, context));

  get("/keys/:file", sendKey);
  get("/:channel/:target/mirrorlist", sendMirrorlist);
  get("/:channel/:target/repodata/:file", sendCurrentFile);
  get("/:channel/:target/g/:number/repodata/:file", sendGenerationFile);
  // dnf reads the mirrorlist again before it fetches packages, so every generation has every package.
  get("/:channel/:target/g/:number/p/:sha256/:file", sendPackage);
  get("/:channel/:target/p/:sha256/:file", sendPackage);
  get("/:file", sendRepoFile);
  return router;
}

type Context = YumDeps & { readonly pairings: Pairings };
type Handler = (request: Request, response: Response, context: Context) => Promise<void>;

const TARGET = /^[a-z0-9][a-z0-9-]{0,30}\.[a-z0-9_]{1,20}(?:-source|-debug)?$/;
const SIBLING = /-(?:source|debug)$/;
const NUMBER = /^[1-9]\d{0,14}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const RPM = /^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,250}\.rpm$/;
const DOCUMENT = /^([0-9a-f]{64})-(?:primary|filelists|other)\.xml\.gz$/;
const INDEX = /^repomd\.xml(?:\.asc)?$/;
const EARLIER_SIGNATURE = /^([1-9]\d{0,14})-repomd\.xml\.asc$/;

const IMMUTABLE = "public, max-age=31536000, immutable";
const NO_CACHE = "no-cache";
const GZIP = "application/gzip";
const FRESH_SECONDS = 300;
const SETTLED_SECONDS = 3_600;
/** How far back a document is looked for that a client's older index names. */
const EARLIER_MAX = 200;

/** `<channel>.repo`, for one target: what a host drops into `/etc/yum.repos.d`. */
const sendRepoFile: Handler = async (request, response, context) => {
  const file = param(request, "file");
  const name = file.endsWith(".repo") ? file.slice(0, -".repo".length) : undefined;
  if (name === undefined) return refuse(response, "Channels are served as /yum/<channel>.repo.");
  const channel = await findChannel(name, context);
  const targets = Object.keys(channel?.targets ?? {}).toSorted();
  if (targets.length === 0) return refuse(response, `Channel ${quoted(name)} has no packages.`);

  const url = context.publicUrlOf(request);
  const main = targets.filter((target) => !SIBLING.test(target));
  const asked = request.query["target"] ?? (main.length === 1 ? main[0] : undefined);
  const target = targets.find((each) => each === asked);
  if (target !== undefined) {
    response
      .set("cache-control", NO_CACHE)
      .type("text/plain")
      .send(repoFile(name, target, url));
    return;
  }
  const choices = targets.map((each) => `${url}/yum/${name}.repo?target=${each}\n`).join("");
  const status = asked === undefined ? 300 : 404;
  response.status(status).set("cache-control", NO_CACHE).type("text/plain");
  response.send(`Channel ${quoted(name)} has packages for:\n${choices}`);
};

/** `mirrorlist=`, so that index and signature always come from one generation. */
export function repoFile(channel: string, target: string, url: string): string {
  const sibling = SIBLING.exec(target)?.[0] ?? "";
  const isSettled = channel === "stable" || channel === "testing";
  return [
    `[tatara-${channel}${sibling}]`,
    `name=Tatara ${channel} for ${target}`,
    `mirrorlist=${url}/yum/${channel}/${target}/mirrorlist`,
    "enabled=1",
    "gpgcheck=1",
    "repo_gpgcheck=1",
    `gpgkey=${url}/yum/keys/tatara.asc`,
    // dnf's own default would hide a publish for two days; an unchanged refresh costs one request.
    `metadata_expire=${isSettled ? SETTLED_SECONDS : FRESH_SECONDS}`,
    "",
  ].join("\n");
}

const sendMirrorlist: Handler = async (request, response, context) => {
  const place = await findPlace(request, response, context);
  if (place === undefined) return;
  const { channel, target, number } = place;
  const url = `${context.publicUrlOf(request)}/yum/${channel}/${target}/g/${number}/`;
  response.set("cache-control", NO_CACHE).type("text/plain").send(`${url}\n`);
};

/**
 * The plain `baseurl`. dnf fetches the index and its signature one after the other, so a client gets
 * the signature of the index that it was given. Behind one address that is a guess: hence mirrorlist.
 */
const sendCurrentFile: Handler = async (request, response, context) => {
  const place = await findPlace(request, response, context);
  if (place === undefined) return;
  const file = param(request, "file");
  const client = `${place.channel}/${place.target} ${request.ip} ${request.get("user-agent")}`;

  if (DOCUMENT.test(file)) return sendDocument(file, place, response, context);
  if (file === "repomd.xml") context.pairings.remember(client, place.number);
  const earlier = EARLIER_SIGNATURE.exec(file)?.[1];
  const paired = file === "repomd.xml.asc" ? context.pairings.find(client) : undefined;
  const number = earlier === undefined ? (paired ?? place.number) : Number(earlier);
  const name = earlier === undefined ? file : "repomd.xml.asc";
  if (!INDEX.test(name) || number > place.head) return refuse(response, "There is no such file.");
  send(response, { ...indexOf(context, place, number, name), caching: NO_CACHE });
};

/** From the newest generation that has it: a client's index may be older than the pointer. */
async function sendDocument(
  file: string,
  place: Place,
  response: Response,
  context: Context,
): Promise<void> {
  const lowest = Math.max(1, place.number - EARLIER_MAX);
  for (let number = place.number; number >= lowest; number -= 1) {
    const path = metadataPath(context, place, number, file);
    const found = await stat(path).catch(() => undefined);
    if (found) return send(response, { path, tag: file, caching: IMMUTABLE, type: GZIP });
  }
  return refuse(response, "There is no such file.");
}

const sendGenerationFile: Handler = async (request, response, context) => {
  const place = await findPlace(request, response, context);
  if (place === undefined) return;
  const file = param(request, "file");
  const number = param(request, "number");
  const isDocument = DOCUMENT.test(file);
  // Above the head is what is staged and not announced.
  if (!(isDocument || INDEX.test(file)) || !NUMBER.test(number) || Number(number) > place.head) {
    return refuse(response, `Generation ${quoted(number)} has no such file.`);
  }
  const path = metadataPath(context, place, Number(number), file);
  const index = indexOf(context, place, Number(number), file);
  const served = isDocument ? { path, tag: file, type: GZIP } : index;
  send(response, { ...served, caching: IMMUTABLE });
};

const sendPackage: Handler = async (request, response, { yumDir }) => {
  const sha256 = param(request, "sha256");
  const file = param(request, "file");
  const isNamed = isChannelName(param(request, "channel")) && TARGET.test(param(request, "target"));
  if (!isNamed || !SHA256.test(sha256) || !RPM.test(file)) {
    return refuse(response, "There is no such package.");
  }
  const path = join(yumDir, "pool", sha256.slice(0, 2), sha256, file);
  send(response, { path, tag: sha256, caching: IMMUTABLE, type: "application/x-rpm" });
};

const sendKey: Handler = async (request, response, { yumDir }) => {
  const file = param(request, "file");
  if (file !== "tatara.asc" && file !== "fingerprint") return refuse(response, "No such key.");
  const type = file === "tatara.asc" ? "application/pgp-keys" : "text/plain";
  send(response, { path: join(yumDir, "keys", file), caching: NO_CACHE, type });
};

interface Place {
  readonly channel: string;
  readonly target: string;
  /** The channel's newest generation. */
  readonly head: number;
  /** The newest one that changed this target. */
  readonly number: number;
}

/** Answers 404 itself when there is no such channel or target. */
async function findPlace(
  request: Request,
  response: Response,
  context: Context,
): Promise<Place | undefined> {
  const name = param(request, "channel");
  const target = param(request, "target");
  const channel = await findChannel(name, context);
  const known = TARGET.test(target) ? channel?.targets : undefined;
  const number = known && Object.hasOwn(known, target) ? known[target] : undefined;
  if (channel !== undefined && number !== undefined) {
    return { channel: name, target, head: channel.head, number };
  }
  const targets = Object.keys(channel?.targets ?? {}).join(", ");
  const why = channel
    ? `Channel ${name} has no target ${quoted(target)}; it has ${targets || "none yet"}.`
    : `There is no channel ${quoted(name)}.`;
  refuse(response, why);
  return undefined;
}

async function findChannel(name: string, { heads }: Context): Promise<ChannelHead | undefined> {
  return isChannelName(name) ? await heads.channel(name) : undefined;
}

function metadataPath(
  { yumDir }: Context,
  { channel, target }: Place,
  number: number,
  file: string,
): string {
  return join(yumDir, "channels", channel, "g", String(number), target, "repodata", file);
}

/** `repomd.xml` or its signature, as a generation has it. */
function indexOf(
  context: Context,
  place: Place,
  number: number,
  file: string,
): Omit<Served, "caching"> {
  const type = file.endsWith(".asc") ? "application/pgp-signature" : "text/xml";
  const tag = `${place.channel}.${place.target}.${number}.${file}`;
  return { path: metadataPath(context, place, number, file), tag, type };
}

interface Served {
  /** All parts of it were checked. */
  readonly path: string;
  /** Names these bytes for ever. */
  readonly tag?: string;
  readonly caching: string;
  readonly type: string;
}

/** Streams a file, with ranges. */
function send(response: Response, { path, tag, caching, type }: Served): void {
  // Set only once the file is found: a 404 must be neither cached nor tagged.
  const found = { "cache-control": caching, "content-type": type };
  const headers = tag === undefined ? found : { ...found, etag: `"${tag}"` };
  const options = { headers, cacheControl: false, etag: tag === undefined, lastModified: false };
  response.sendFile(path, { ...options, dotfiles: "allow" }, (err: unknown) => {
    if (!(err instanceof Error) || response.headersSent) return;
    const { status, headers: told } = err as { status?: number; headers?: Record<string, string> };
    if (status === undefined || status === 404) return refuse(response, "There is no such file.");
    // For example a range that the file has not.
    response.removeHeader("etag");
    response
      .status(status)
      .set({ ...told, "cache-control": NO_CACHE })
      .type("text/plain");
    response.send("The file cannot be sent so.\n");
  });
}

function refuse(response: Response, why: string): void {
  response.status(404).set("cache-control", NO_CACHE).type("text/plain").send(`${why}\n`);
}

function param(request: Request, name: string): string {
  const value: unknown = request.params[name];
  return typeof value === "string" ? value : "";
}

/** What a client sent, for a message to it. */
function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
