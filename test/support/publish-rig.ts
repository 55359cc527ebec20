import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "../../src/shared/logger.ts";
import { serverClient } from "../../src/shared/server-client.ts";
import { openRing } from "../../src/yum/keys/key-changes.ts";
import { openPublisher } from "../../workers/publish/open-publisher.ts";
import type { Publisher } from "../../workers/publish/open-publisher.ts";
import type { MadeRpm } from "./make-rpm.ts";
import { startPublishServer } from "./publish-server.ts";
import type { Offer, PublishEnd, PublishServer } from "./publish-server.ts";

/** A publisher on a data folder of its own, and the server that it works for. */
export interface PublishRig extends AsyncDisposable {
  readonly dataDir: string;
  readonly yumDir: string;
  readonly server: PublishServer;
  publisher: Publisher;
  /** The operator's log. */
  readonly lines: string[];
  /** Offers, grants and publishes; answers how the server saw it end. */
  publish(rpms: readonly MadeRpm[], offer?: Partial<Offer>): Promise<PublishEnd | undefined>;
  /** A further attempt at a publish. */
  again(publishId: string, signal?: AbortSignal): Promise<PublishEnd | undefined>;
  /** Offers, grants and does anything else than a build's packages. */
  run(make: Parameters<PublishServer["offerGrant"]>[0]): Promise<PublishEnd | undefined>;
  /** A new life of the publisher, after another process worked on the data folder. */
  reopen(): Promise<void>;
  /** Files below `yum`, by path, without the publisher's own working folder. */
  files(below?: string): Promise<readonly string[]>;
}

/** `keysDir`: a key made earlier, since making one takes seconds. A given data folder is left to the caller. */
export async function startPublishRig(
  options: {
    readonly keysDir?: string;
    readonly dataDir?: string;
    readonly now?: () => number;
  } = {},
): Promise<PublishRig> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), "tatara-publish-")));
  const yumDir = join(dataDir, "yum");
  if (options.keysDir) await cp(options.keysDir, join(dataDir, "keys"), { recursive: true });
  const server = await startPublishServer({ yumDir });
  const { now = Date.now } = options;
  const clock = { now, earliest: now };
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const logger = createLogger({ process: "publish", level: "debug", now: Date.now, write });
  const client = serverClient({ url: server.url, token: server.token });
  const never = new AbortController().signal;
  const open = () => openPublisher({ server: client, dataDir, logger, clock }, never);
  const close = async (): Promise<void> => {
    await rig?.publisher.close();
    await server[Symbol.asyncDispose]();
    if (!options.dataDir) await rm(dataDir, { recursive: true, force: true });
  };
  let rig: PublishRig | undefined;
  const publisher = await open().catch(async (err: unknown) => {
    await close();
    throw err;
  });

  const made: PublishRig = {
    dataDir,
    yumDir,
    server,
    publisher,
    lines,
    again: async (publishId, signal = never) => {
      await made.publisher.publish(server.grant(publishId), signal);
      return server.endOf(publishId);
    },
    publish: (rpms, offer = {}) =>
      made.again(server.offer({ packages: rpms.map((rpm) => ({ rpm })), ...offer })),
    run: (make) => made.again(server.offerGrant(make)),
    reopen: async () => {
      await made.publisher.close();
      made.publisher = await open();
    },
    files: async (below = ".") => {
      const entries = await readdir(join(yumDir, below), { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(yumDir.length + 1))
        .filter((path) => !path.startsWith("staging/verifier/"))
        .toSorted();
    },
    [Symbol.asyncDispose]: close,
  };
  rig = made;
  return made;
}

/** A second passes whenever it is looked at, so that no two signatures are alike. */
export function fastClock(): () => number {
  let now = Date.now();
  return () => (now += 1_000);
}

/** A folder with a key in it, for rigs that need not make their own. */
export async function makeKeysDir(): Promise<{ readonly keysDir: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-keys-"));
  const keysDir = join(folder, "keys");
  const publicDir = join(folder, "public-keys");
  await openRing({ keysDir, publicDir, now: Date.now }, new AbortController().signal);
  return {
    keysDir,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
