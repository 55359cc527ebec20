import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { InfraFault } from "../../src/domain/faults.ts";
import { Stopped } from "../../src/domain/stop.ts";
import { PATHS } from "../../src/shared/protocol.ts";
import type { BuildPublishGrant } from "../../src/shared/publish-grants.ts";
import type { BuiltPackage } from "../../src/shared/package-messages.ts";
import { ServerUnavailable } from "../../src/shared/server-client.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";

/** An unsigned RPM on our disk whose bytes are those that the build announced. */
export interface FetchedPackage {
  readonly built: BuiltPackage;
  readonly path: string;
}

export interface FetchDeps {
  readonly server: ServerClient;
  readonly grant: BuildPublishGrant;
  /** Where the files go. */
  readonly folder: string;
}

const FETCHES_MAX = 8;
const FETCH_TIMEOUT_MS = 600_000;
const ONE_WRITE_BYTES_MAX = 2 ** 20;
const NEW_FILE = { flags: "wx", mode: 0o644 } as const;
const PAUSE_FIRST_MS = 50;
const PAUSE_MAX_MS = 2_000;

/** Fetches the files and hashes them again: the publisher believes nothing but the digest. */
export async function fetchPackages(
  deps: FetchDeps,
  signal: AbortSignal,
): Promise<readonly FetchedPackage[]> {
  const { packages } = deps.grant;
  // The same file may be listed in several targets; it is fetched once.
  const waiting = [...new Map(packages.map((built) => [built.sha256, built])).values()];
  const paths = new Map<string, string>();
  const take = async (): Promise<void> => {
    for (let built = waiting.pop(); built !== undefined; built = waiting.pop()) {
      paths.set(built.sha256, await fetchPackage(built, deps, signal));
    }
  };
  await Promise.all(Array.from({ length: FETCHES_MAX }, take));
  return packages.map((built) => ({ built, path: paths.get(built.sha256) ?? "" }));
}

async function fetchPackage(
  built: BuiltPackage,
  deps: FetchDeps,
  signal: AbortSignal,
): Promise<string> {
  const path = join(deps.folder, `${built.sha256}.unsigned`);
  // As long as the lease lives, for a server restart must not end a publish.
  for (let pauseMs = PAUSE_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)) {
    try {
      await fetchOnce(built, path, deps, signal);
      return path;
    } catch (err) {
      signal.throwIfAborted();
      if (!(err instanceof ServerUnavailable)) throw err;
      await rm(path, { force: true });
      await delay(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

async function fetchOnce(
  built: BuiltPackage,
  path: string,
  { server, grant }: FetchDeps,
  signal: AbortSignal,
): Promise<void> {
  const address = PATHS.publishPackage(grant.publishId, built.sha256);
  const limited = AbortSignal.any([signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)]);
  const response = await server.open(address, grant.lease.token, limited);
  const body = bodyOf(response, built.fileName);
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const measure = async function* (source: AsyncIterable<Buffer>) {
    for await (const chunk of received(source)) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes > built.sizeBytes) throw changed(built, "more bytes");
      yield chunk;
    }
  };
  if (built.sizeBytes <= ONE_WRITE_BYTES_MAX) await writeWhole(measure(body), path, limited);
  else await pipeline(body, measure, createWriteStream(path, NEW_FILE), { signal: limited });
  if (hash.digest("hex") !== built.sha256) throw changed(built, "another digest");
}

/** A small file in one write: a stream takes a turn of the loop for each of its parts. */
async function writeWhole(
  source: AsyncIterable<Buffer>,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  const { flags: flag, mode } = NEW_FILE;
  await writeFile(path, Buffer.concat(chunks), { flag, mode, signal });
}

function bodyOf(response: Response, fileName: string): Readable {
  const { status, body } = response;
  if (status === 200 && body !== null) return Readable.fromWeb(body);
  void body?.cancel();
  if (status === 409) throw new Stopped("lease-lost");
  if (status >= 500 || status === 429)
    throw new ServerUnavailable(`The server answered ${status}.`);
  throw new InfraFault("ARTIFACT_CHANGED", `The server answered ${status} for ${fileName}.`);
}

/** A connection that breaks off is the server's trouble, not the file's. */
async function* received(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* source;
  } catch (cause) {
    throw new ServerUnavailable("The server's answer broke off.", { cause });
  }
}

function changed({ fileName }: BuiltPackage, what: string): InfraFault {
  const message = `${fileName} has ${what} than the build announced.`;
  return new InfraFault("ARTIFACT_CHANGED", message);
}
