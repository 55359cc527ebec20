import { cp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLogger } from "../../src/shared/logger.ts";
import { openRing } from "../../src/yum/keys/key-changes.ts";
import { readKeyStatus } from "../../src/yum/keys/key-status.ts";
import { keyFolders } from "../../src/yum/keys/key-store.ts";
import { openSigner } from "../../workers/publish/sign.ts";
import type { Signer } from "../../workers/publish/sign.ts";
import { makeKeyFolder } from "../support/key-folder.ts";
import type { KeyFolder } from "../support/key-folder.ts";
import { aServer } from "../support/start-server.ts";

const never = new AbortController().signal;

let folder: KeyFolder;
let signer: Signer;
let lines: string[];

/** Its secret part was moved away before the publish worker started. */
beforeEach(async () => {
  folder = await makeKeyFolder();
  await openRing(folder.keys, never);
  await rename(secrets(), `${secrets()}.away`);
  signer = await open();
});
afterEach(async () => {
  await signer.close();
  await folder[Symbol.asyncDispose]();
});

function secrets(): string {
  return join(folder.keys.keysDir, "private-keys-v1.d");
}

async function open(): Promise<Signer> {
  lines = [];
  const write = (line: string) => void lines.push(line);
  const logger = createLogger({ process: "publish", level: "info", now: folder.keys.now, write });
  const verifierDir = join(folder.dataDir, "verifier");
  return await openSigner({ ...folder.keys, verifierDir, logger }, never);
}

async function signs(): Promise<void> {
  const document = Buffer.from("<repomd/>\n");
  await signer.verify.detached(document, await signer.signMetadata(document), never);
}

/** What a server says in `/healthz` that serves what this publish worker has written. */
async function warningsOfServer(): Promise<readonly string[]> {
  await using server = await aServer();
  await cp(folder.keys.publicDir, keyFolders(server.dataDir).publicDir, { recursive: true });
  const answer = await fetch(`${server.url}/healthz`);
  return ((await answer.json()) as { readonly warnings: readonly string[] }).warnings;
}

test("a key that cannot be read signs nothing, is told, and signs again once it is there", async () => {
  await expect(signs()).rejects.toMatchObject({ code: "SIGNING_FAILED" });
  const message = expect.stringMatching(/secret part cannot be read: now nothing can be published/);
  const hint = expect.stringContaining("put the keys folder back from a backup");
  const { fingerprint } = signer;
  const warning = { code: "KEY_UNUSABLE", fingerprint, message, hint };
  expect(await readKeyStatus(folder.keys.publicDir)).toMatchObject({ warnings: [warning] });
  expect(lines.join("")).toContain("A signing key cannot sign");
  expect(await warningsOfServer()).toContainEqual(
    expect.stringMatching(/nothing can be published\. To do: put the keys folder back/),
  );

  await rm(secrets(), { recursive: true, force: true });
  await rename(`${secrets()}.away`, secrets());
  folder.clock.aheadMs += 60_000;

  await signs();
  expect((await readKeyStatus(folder.keys.publicDir))?.warnings).toEqual([]);
});

test("gpg is not asked again with each package", async () => {
  for (let tries = 0; tries < 3; tries += 1) {
    await expect(signs()).rejects.toThrow("cannot be read");
  }

  expect(lines.join("")).not.toContain("Signing keys were read again");
});
