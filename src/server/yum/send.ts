import type { Request, Response } from "express";
import { absent } from "./absent.ts";
import { cutParts, NO_CACHE, sizeOf } from "./content.ts";
import type { Content } from "./content.ts";
import { readParts } from "./read-parts.ts";
import { SMALL_FILE_BYTES_MAX } from "./small-files.ts";
import type { SmallFiles } from "./small-files.ts";

/** A client that takes no byte for so long is gone. */
const STALLED_MS = 120_000;

/**
 * Answers with these bytes, or the part of them that was asked for (RFC 9110: `If-None-Match`,
 * `Range`, `If-Range`). Several ranges at a time are answered with the whole, as the RFC allows.
 * Without `small`, nothing of it is remembered.
 */
export async function sendContent(
  request: Request,
  response: Response,
  content: Content,
  small: SmallFiles | undefined,
): Promise<void> {
  const size = sizeOf(content.parts);
  const etag = `"${content.tag}"`;
  const headers = { etag, "cache-control": content.caching, "accept-ranges": "bytes" };
  if (isKnown(request, etag)) return void response.writeHead(304, headers).end();
  const range = rangeOf(request, size, etag);
  if (range === "unsatisfiable") {
    return sendText(response, 416, "The file has no such bytes.", {
      "content-range": `bytes */${size}`,
    });
  }
  const { start, end } = range ?? { start: 0, end: size };
  const chunks = readParts(cutParts(content.parts, start, end), small);
  const answer = {
    status: range ? 206 : 200,
    bytes: end - start,
    isHead: request.method === "HEAD",
    headers: {
      ...headers,
      "content-type": content.type,
      "content-length": end - start,
      ...(range && { "content-range": `bytes ${start}-${end - 1}/${size}` }),
    },
  };
  try {
    const send = answer.bytes <= SMALL_FILE_BYTES_MAX ? sendAtOnce : sendInChunks;
    const isFound = await send(response, answer, chunks);
    if (!isFound) return refuse(response, "There is no such file.");
  } finally {
    // A client that went away leaves the generator half-way, with its file open.
    await chunks.return();
  }
}

interface Answer {
  readonly status: number;
  readonly bytes: number;
  /** The client asked for the headers alone. */
  readonly isHead: boolean;
  readonly headers: Readonly<Record<string, string | number>>;
}

/** False, and nothing sent, when there is no such file: a 404 is neither cached nor tagged. */
async function sendAtOnce(
  response: Response,
  { status, bytes, isHead, headers }: Answer,
  chunks: AsyncIterable<Buffer>,
): Promise<boolean> {
  const body = Buffer.allocUnsafe(bytes);
  let at = 0;
  try {
    for await (const chunk of chunks) at += chunk.copy(body, at);
  } catch (err) {
    absent(err);
    return false;
  }
  response.writeHead(status, headers);
  response.end(isHead ? undefined : body);
  return true;
}

/** Nothing is promised before the first bytes are at hand. */
async function sendInChunks(
  response: Response,
  { status, isHead, headers }: Answer,
  chunks: AsyncGenerator<Buffer, void, void>,
): Promise<boolean> {
  const first = await chunks.next().catch(absent);
  if (first === undefined) return false;
  if (response.destroyed) return true;
  response.writeHead(status, headers);
  if (isHead || first.done) response.end();
  else await pipe(first.value, chunks, response);
  return true;
}

/** A refusal, which nobody may keep. */
export function refuse(response: Response, why: string): void {
  sendText(response, 404, why);
}

export function sendText(
  response: Response,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = Buffer.from(text.endsWith("\n") ? text : `${text}\n`);
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": NO_CACHE,
    "content-length": body.length,
    ...headers,
  });
  response.end(body);
}

/** `If-None-Match`, compared weakly as for every GET. */
function isKnown(request: Request, etag: string): boolean {
  const tags = request.headers["if-none-match"];
  if (tags === undefined) return false;
  return tags
    .split(",")
    .some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag);
}

/** `end` is the first byte without. Undefined: the whole. */
function rangeOf(
  request: Request,
  size: number,
  etag: string,
): { readonly start: number; readonly end: number } | "unsatisfiable" | undefined {
  const condition = request.headers["if-range"];
  // A date never fits: we send none to compare it with.
  if (condition !== undefined && condition !== etag) return undefined;
  const ranges = request.range(size);
  if (ranges === -1) return "unsatisfiable";
  if (ranges === undefined || ranges === -2 || ranges.type !== "bytes") return undefined;
  const [range, more] = ranges;
  return range && more === undefined ? { start: range.start, end: range.end + 1 } : undefined;
}

/** No faster than the client takes it: while one chunk is on its way, the next one is read. */
async function pipe(first: Buffer, rest: AsyncIterable<Buffer>, response: Response): Promise<void> {
  response.setTimeout(STALLED_MS, () => response.destroy());
  let before = write(response, first);
  try {
    for await (const chunk of rest) {
      if (response.destroyed) return;
      const written = write(response, chunk);
      await before;
      before = written;
    }
  } catch {
    // The length is promised, so that the client sees that the rest is missing.
    return void response.destroy();
  }
  response.end();
}

/** Resolves when the bytes are with the operating system, or the client is gone. */
function write(response: Response, chunk: Buffer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => {
    response.off("close", done);
    resolve();
  };
  response.once("close", done);
  response.write(chunk, done);
  return promise;
}
