import { open } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { fileURLToPath } from "node:url";

/** Asks a web server, and says which redirects are followed. Throws Error with a sentence. */
export type WebGet = (url: URL, signal: AbortSignal) => Promise<IncomingMessage>;

/** A file of a repository, by `http:`, `https:` or `file:`. Throws Error with a sentence. */
export async function readResource(
  url: URL,
  {
    bytesMax,
    signal,
    get,
  }: { readonly bytesMax: number; readonly signal: AbortSignal; readonly get: WebGet },
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of url.protocol === "file:"
    ? fileParts(url, signal)
    : webParts(url, signal, get)) {
    length += part.length;
    if (length > bytesMax) throw new Error(`${url.href} has more than ${bytesMax} bytes.`);
    parts.push(part);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

async function* fileParts(url: URL, signal: AbortSignal): AsyncIterable<Uint8Array> {
  const file = await open(fileURLToPath(url));
  // A pipe would be waited for without end.
  if (!(await file.stat()).isFile()) {
    await file.close();
    throw new Error(`${url.href} is no file.`);
  }
  yield* file.createReadStream({ signal });
}

async function* webParts(url: URL, signal: AbortSignal, get: WebGet): AsyncIterable<Uint8Array> {
  const answer = await get(url, signal);
  try {
    if (answer.statusCode !== 200) throw new Error(`${url.href} answers ${answer.statusCode}.`);
    yield* answer as AsyncIterable<Uint8Array>;
  } finally {
    answer.destroy();
  }
}
