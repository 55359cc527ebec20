import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../src/shared/clock.ts";
import type { Logger } from "../../src/shared/logger.ts";
import { openOutbound } from "../../src/shared/outbound.ts";
import type { PublishGrant } from "../../src/shared/publish-grants.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";
import { makeFolder } from "../../src/shared/durable.ts";
import { openBaseRepositories } from "../../src/yum/base-repositories/base-repositories.ts";
import type { DeclaredRepositories } from "../../src/yum/base-repositories/base-repositories.ts";
import { yumLayout } from "../../src/yum/layout.ts";
import { openResolver } from "../../src/yum/resolve/resolver.ts";
import { openChannelHeads } from "./channel-heads.ts";
import { openEngine } from "./engine/engine.ts";
import { heldPackages } from "./held-packages.ts";
import { makeLive } from "./make-live.ts";
import { oncePerContent } from "./once-per-content.ts";
import { openPool } from "./pool.ts";
import { publishPackages } from "./publish-packages.ts";
import { openSigner } from "./sign.ts";
import { openTurns } from "./turns.ts";

export interface Publisher {
  /** Of the key that signs. */
  readonly fingerprint: string;
  /** Never rejects. `onPrepared` is called once the publish only waits for its turn, or has ended. */
  publish(grant: PublishGrant, signal: AbortSignal, onPrepared?: () => void): Promise<void>;
  /** Ends the threads and programs that wait. */
  close(): Promise<void>;
}

export interface PublisherOptions {
  readonly server: ServerClient;
  readonly dataDir: string;
  /** What hosts have anyway, by target. */
  readonly baseRepositories?: readonly DeclaredRepositories[];
  /** Where mirrors of those may lead to beside public places. */
  readonly internalHosts?: readonly string[];
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * Opens the key and the writing side of the yum repositories. One publisher per data folder: what an
 * earlier one left unfinished in the staging folder is removed here.
 */
export async function openPublisher(
  { server, dataDir, baseRepositories = [], internalHosts = [], logger, clock }: PublisherOptions,
  signal: AbortSignal,
): Promise<Publisher> {
  const layout = yumLayout(join(dataDir, "yum"));
  await rm(layout.staging, { recursive: true, force: true });
  await makeFolder(layout.staging);
  const keys = { keysDir: join(dataDir, "keys"), publicDir: layout.keys };
  const verifierDir = join(layout.staging, "verifier");
  const { now, earliest } = clock;
  const signer = await openSigner({ ...keys, verifierDir, now: earliest, logger }, signal);
  const engine = await openEngine({ layout, signer, logger, now });
  const heads = openChannelHeads(layout);
  const bases = openBaseRepositories({
    declared: baseRepositories,
    now,
    get: openOutbound({ internalHosts }).get,
  });
  bases.prepare();
  const parts = { server, signer, engine, heads, layout, logger };
  const resolver = openResolver(layout);
  void engine.warm((state) => resolver.warm(state));
  const deps = {
    ...parts,
    pool: openPool(layout),
    resolver,
    bases,
    turns: openTurns((members) => makeLive(members, parts)),
    signings: oncePerContent(),
    held: heldPackages(),
    now,
    earliest,
  };
  return {
    fingerprint: signer.fingerprint,
    publish: (grant, abort, onPrepared = () => undefined) =>
      publishPackages(grant, deps, abort, onPrepared),
    close: async () => {
      await bases.close();
      await engine.close();
      await signer.close();
    },
  };
}
