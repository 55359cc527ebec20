import { createServer, request as askHttp } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { request as askHttps } from "node:https";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";

/** The server's yum files, and nothing else of it, on an address that a container can reach. */
export interface YumRelay extends AsyncDisposable {
  /** `http://172.18.0.1:41234`, without a slash at the end. */
  readonly url: string;
  /** True once an answer of the server did not come, or broke off: what failed since may be our fault. */
  wasCutOff(): boolean;
}

/** A restart of the server takes a second or two; `dnf` waits 30 s for a first byte. */
const WAIT_FOR_SERVER_MS = 25_000;
const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 500;
const ANSWER_TIMEOUT_MS = 60_000;
/** `.repo` files and mirrorlists are a few hundred bytes. */
const TEXT_BYTES_MAX = 1024 * 1024;

/**
 * Listens on `host`, an address of this machine on the job's network. A server that only listens on
 * the loopback address, as it does by default, cannot be reached from a container otherwise. Throws
 * when the address is not this machine's (the engine is elsewhere).
 */
export async function openYumRelay(
  host: string,
  serverUrl: string,
  { waitMs = WAIT_FOR_SERVER_MS } = {},
): Promise<YumRelay> {
  let wasCutOff = false;
  const onCutOff = (): void => {
    wasCutOff = true;
  };
  const server = createServer((asked, answer) => {
    relay(asked, answer, { serverUrl, relayUrl: urlOf(server), waitMs, onCutOff });
  });
  server.requestTimeout = ANSWER_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port: 0 }, resolve);
  });
  return {
    url: urlOf(server),
    wasCutOff: () => wasCutOff,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function urlOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return `http://${address}:${port}`;
}

interface Ends {
  readonly serverUrl: string;
  readonly relayUrl: string;
  /** How long a server that does not answer at all is asked again. */
  readonly waitMs: number;
  onCutOff(): void;
}

function relay(asked: IncomingMessage, answer: ServerResponse, ends: Ends): void {
  const path = yumPath(asked);
  if (path === undefined) {
    answer.writeHead(404).end();
    return;
  }
  const gone = new AbortController();
  answer.on("close", () => gone.abort());
  pass(asked, answer, { path, ends, signal: gone.signal }).catch(() => {
    if (gone.signal.aborted) return;
    ends.onCutOff();
    if (answer.headersSent) answer.destroy();
    else answer.writeHead(502).end();
  });
}

interface Passing {
  readonly path: string;
  readonly ends: Ends;
  /** Aborted once whoever asked is gone. */
  readonly signal: AbortSignal;
}

/** A restart of the server must not end a build, so a server that is away is asked again. */
async function pass(
  asked: IncomingMessage,
  answer: ServerResponse,
  { path, ends, signal }: Passing,
): Promise<void> {
  const endAt = performance.now() + ends.waitMs;
  for (let pauseMs = RETRY_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS)) {
    const got = await askServer(asked, new URL(ends.serverUrl + path), signal).catch(
      (err: unknown) => {
        if (signal.aborted || performance.now() > endAt) throw err;
      },
    );
    if (got !== undefined) return await passBack(got, answer, { path, ends, signal });
    await delay(pauseMs, undefined, { signal });
  }
}

/** Rejects if no answer begins. */
function askServer(asked: IncomingMessage, to: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const ask = to.protocol === "https:" ? askHttps : askHttp;
  const headers = passedOn(asked);
  return new Promise((resolve, reject) => {
    const onward = ask(to, { method: asked.method, headers, timeout: ANSWER_TIMEOUT_MS, signal });
    onward.on("timeout", () => onward.destroy(new Error("The server does not answer.")));
    onward.on("error", reject);
    onward.on("response", resolve);
    onward.end();
  });
}

/**
 * Where it leads, if it is a yum file: resolved first, so that no `..` leads out of there. What a
 * container asks for may be no address at all (`//`), and must not end this process.
 */
function yumPath({ method, url = "" }: IncomingMessage): string | undefined {
  if (method !== "GET" && method !== "HEAD") return undefined;
  const asked = URL.parse(url, "http://relay");
  return asked?.pathname.startsWith("/yum/") ? asked.pathname + asked.search : undefined;
}

function passedOn({ headers }: IncomingMessage): Record<string, string> {
  const names = ["range", "if-range", "if-none-match", "if-modified-since", "user-agent"];
  const kept = names.flatMap((name) => {
    const value = headers[name];
    return typeof value === "string" ? [[name, value] as const] : [];
  });
  return Object.fromEntries(kept);
}

async function passBack(
  got: IncomingMessage,
  answer: ServerResponse,
  { path, ends, signal }: Passing,
): Promise<void> {
  const { statusCode = 502, headers } = got;
  got.once("error", () => {
    // Not if it ended because nobody is there to hear it.
    if (!signal.aborted) ends.onCutOff();
  });
  if (!hasAddresses(path)) {
    answer.writeHead(statusCode, headers);
    return await pipeline(got, answer);
  }
  if (Number(headers["content-length"] ?? 0) > TEXT_BYTES_MAX) throw new Error("Too large.");
  const body = withAddressesOf(ends.relayUrl, await text(got));
  answer.writeHead(statusCode, { "content-type": "text/plain; charset=utf-8" }).end(body);
}

function hasAddresses(path: string): boolean {
  return /^\/yum\/[^/?]+\.repo(?:$|\?)|\/mirrorlist(?:$|\?)/.test(path);
}

/** What the server says of itself is its public address, which a container may not reach. */
export function withAddressesOf(relayUrl: string, body: string): string {
  return body.replace(/https?:\/\/[^\s/]+(?:\/[^\s/]+)*?(?=\/yum\/)/g, relayUrl);
}

/**
 * The server's yum files for containers of this network: by a relay, or, where the engine is on
 * another machine and has no address of ours on its networks, under the server's own address.
 */
export async function openYumFiles(
  { gateway }: { readonly gateway: string | null },
  serverUrl: string,
): Promise<YumRelay> {
  if (gateway === null) return direct(serverUrl);
  try {
    return await openYumRelay(gateway, serverUrl);
  } catch (err) {
    const isElsewhere = err instanceof Error && "code" in err && err.code === "EADDRNOTAVAIL";
    if (!isElsewhere) throw err;
    return direct(serverUrl);
  }
}

function direct(url: string): YumRelay {
  return { url, wasCutOff: () => false, [Symbol.asyncDispose]: () => Promise.resolve() };
}
