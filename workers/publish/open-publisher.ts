import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../../src/shared/logger.ts";
import type { PublishGrant } from "../../src/shared/protocol.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";
import { makeFolder } from "./durable.ts";
import { openFragments } from "./fragments.ts";
import type { Generation } from "./generation.ts";
import { openPool } from "./pool.ts";
import { publishPackages } from "./publish-packages.ts";
import { openSigner } from "./sign.ts";
import { createTurns } from "./turns.ts";

export interface Publisher {
  /** Of the key that signs. */
  readonly fingerprint: string;
  publish(grant: PublishGrant, signal: AbortSignal): Promise<void>;
}

export interface PublisherOptions {
  readonly server: ServerClient;
  readonly dataDir: string;
  readonly logger: Logger;
  readonly now: () => number;
}

/**
 * Opens the key and the writing side of the yum repositories. One publisher per data folder: what an
 * earlier one left unfinished in the staging folder is removed here.
 */
export async function openPublisher(
  { server, dataDir, logger, now }: PublisherOptions,
  signal: AbortSignal,
): Promise<Publisher> {
  const yumDir = join(dataDir, "yum");
  const stagingDir = join(yumDir, "staging");
  await rm(stagingDir, { recursive: true, force: true });
  await makeFolder(stagingDir);
  const keys = { keysDir: join(dataDir, "keys"), publicDir: join(yumDir, "keys") };
  const verifierDir = join(stagingDir, "verifier");
  const signer = await openSigner({ ...keys, verifierDir, now }, signal);
  const deps = {
    server,
    signer,
    pool: openPool(yumDir),
    fragments: openFragments(yumDir),
    turns: createTurns(),
    live: new Map<string, Generation>(),
    yumDir,
    stagingDir,
    logger,
    now,
  };
  return {
    fingerprint: signer.fingerprint,
    publish: (grant, abort) => publishPackages(grant, deps, abort),
  };
}
