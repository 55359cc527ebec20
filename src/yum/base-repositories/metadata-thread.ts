import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { parentPort, workerData } from "node:worker_threads";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { filelistsParser, primaryParser } from "./metadata-parsers.ts";
import type { MetadataJob } from "./parse-metadata.ts";
import type { MetadataFile } from "./repomd.ts";
import { zstdFrameEnds } from "./zstd-frames.ts";

// A thread's own program: checks, decompresses and parses one document, answers, and ends.
const job = workerData as MetadataJob;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has none
parentPort?.postMessage(await run(job));

async function run({ kind, bytes, file, openBytesMax }: MetadataJob): Promise<unknown> {
  const found = createHash(file.algorithm).update(bytes).digest("hex");
  if (found !== file.checksum)
    throw new Error(`${file.href} has another checksum than repomd.xml says.`);
  const parser = kind === "primary" ? primaryParser() : filelistsParser();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let left = openBytesMax;
  for await (const part of opened(bytes, file)) {
    left -= part.length;
    if (left < 0) throw new Error(`${file.href} has more than ${openBytesMax} bytes of XML.`);
    parser.write(decoder.decode(part, { stream: true }));
  }
  parser.write(decoder.decode());
  return parser.end();
}

function opened(bytes: Uint8Array, { compression }: MetadataFile): AsyncIterable<Uint8Array> {
  if (compression === "none") return Readable.from(pieces(bytes, [bytes.length]));
  if (compression === "xz") return throughXz(bytes);
  const isGzip = compression === "gzip";
  const decompress = isGzip ? createGunzip() : createZstdDecompress();
  const ends = isGzip ? [bytes.length] : zstdFrameEnds(bytes);
  return Readable.from(pieces(bytes, ends)).pipe(decompress);
}

/** No piece goes beyond one of the ends. */
function* pieces(bytes: Uint8Array, ends: readonly number[]): Iterable<Uint8Array> {
  let start = 0;
  for (const end of ends) {
    for (let at = start; at < end; at += 65_536)
      yield bytes.subarray(at, Math.min(end, at + 65_536));
    start = end;
  }
}

/** Node has no xz; the program has. */
async function* throughXz(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  const child = spawn("xz", ["--decompress", "--stdout"], { stdio: ["pipe", "pipe", "ignore"] });
  const ended = Promise.withResolvers<number | null>();
  child.once("exit", ended.resolve);
  child.once("error", () =>
    ended.reject(new Error("The program xz, which this repository's metadata needs, is missing.")),
  );
  ended.promise.catch(() => undefined);
  child.stdin.on("error", () => undefined);
  child.stdin.end(bytes);
  try {
    yield* child.stdout;
    const code = await ended.promise;
    if (code !== 0) throw new Error("It is not what xz can decompress.");
  } finally {
    child.kill("SIGKILL");
  }
}
