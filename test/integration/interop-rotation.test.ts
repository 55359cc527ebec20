import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { retire, rotate } from "../../src/yum/keys/key-changes.ts";
import type { KeyContext } from "../../src/yum/keys/key-changes.ts";
import { keyFolders } from "../../src/yum/keys/key-store.ts";
import { dnfClient } from "../support/dnf-client.ts";
import type { DnfClient } from "../support/dnf-client.ts";
import { makeRpm } from "../support/make-rpm.ts";
import { makeKeysDir, startPublishRig } from "../support/publish-rig.ts";
import type { PublishRig } from "../support/publish-rig.ts";
import { zypperClient } from "../support/zypper-client.ts";
import type { ZypperClient } from "../support/zypper-client.ts";

const TARGET = "debian12.x86_64";
const DAY_MS = 86_400_000;
const never = new AbortController().signal;
let home: Awaited<ReturnType<typeof makeKeysDir>>;
let rig: PublishRig;
let keys: KeyContext;
let oldKey: string;
let newKey: string;
/** Hosts that met us before there was a new key, and during the overlap. */
let withOld: { readonly dnf: DnfClient; readonly zypper: ZypperClient };
let withBoth: { readonly dnf: DnfClient; readonly zypper: ZypperClient };
/** The place of a generation that the old key signed. */
let oldGeneration: string;

beforeAll(async () => {
  home = await makeKeysDir();
  rig = await startPublishRig(home);
  keys = { ...keyFolders(rig.dataDir), now: Date.now };
  oldKey = rig.publisher.fingerprint;
  await publish("before");
  withOld = await hosts();
  expect(await withOld.dnf.install("before")).toMatchObject({ code: 0 });
  expect(await withOld.zypper.install("before")).toMatchObject({ code: 0 });
}, 300_000);
afterAll(async () => {
  for (const host of [withOld, withBoth]) {
    await host.dnf[Symbol.asyncDispose]();
    await host.zypper[Symbol.asyncDispose]();
  }
  await rig[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

async function publish(name: string): Promise<void> {
  const end = await rig.publish([await makeRpm({ name })]);
  if (end?.kind !== "live") throw new Error(JSON.stringify(end));
}

/** Two that trust the key file as it is now. */
async function hosts(): Promise<{ readonly dnf: DnfClient; readonly zypper: ZypperClient }> {
  const { url } = rig.server;
  const zypper = await zypperClient(`${url}/yum/dev/${TARGET}/`);
  await zypper.trust(await readFile(join(keys.publicDir, "tatara.asc"), "utf8"));
  const dnf = await dnfClient({ repoUrl: `${url}/yum/dev.repo` });
  expect(await dnf.makecache()).toMatchObject({ code: 0 });
  return { dnf, zypper };
}

/** The fingerprint that the server shows to people. */
async function signing(): Promise<string> {
  return (await readFile(join(keys.publicDir, "fingerprint"), "utf8")).trim();
}

/** Where nobody is there to say yes to a key. */
async function refreshUnasked(client: DnfClient): Promise<number> {
  return (await client.run("dnf", "--assumeno", "--refresh", "makecache")).code;
}

describe("during the overlap", () => {
  beforeAll(async () => {
    const ring = await rotate(keys, 7 * DAY_MS, never);
    newKey = ring.keys[1]?.fingerprint ?? "";
    await publish("overlap");
    oldGeneration = (
      await (await fetch(`${rig.server.url}/yum/dev/${TARGET}/mirrorlist`)).text()
    ).trim();
  });

  test("hosts with the old key notice nothing", async () => {
    expect(await signing()).toBe(oldKey);
    expect(await refreshUnasked(withOld.dnf)).toBe(0);
    const end = await withOld.dnf.install("overlap");
    expect(end).toMatchObject({ code: 0 });
    expect(end.output).not.toContain("Importing GPG key");
    expect(await withOld.zypper.refresh()).toMatchObject({ code: 0 });
    expect(await withOld.zypper.install("overlap")).toMatchObject({ code: 0 });
  });

  test("new hosts get both keys", async () => {
    withBoth = await hosts();

    const end = await withBoth.dnf.install("overlap");

    expect(end).toMatchObject({ code: 0 });
    const trusted = await withBoth.dnf.run("rpm", "--query", "gpg-pubkey");
    for (const key of [oldKey, newKey]) {
      expect(trusted.output).toContain(`gpg-pubkey-${key.slice(-8).toLowerCase()}-`);
    }
    expect(await withBoth.zypper.install("before", "overlap")).toMatchObject({ code: 0 });
  });
});

describe("after the switch-over", () => {
  beforeAll(async () => {
    await rotate(keys, 0, never);
    await publish("after");
    expect(await signing()).toBe(newKey);
  });

  test("hosts with both keys notice nothing", async () => {
    expect(await refreshUnasked(withBoth.dnf)).toBe(0);
    const end = await withBoth.dnf.install("after", "before");
    expect(end).toMatchObject({ code: 0 });
    expect(end.output).not.toContain("Importing GPG key");
    expect(await withBoth.zypper.refresh()).toMatchObject({ code: 0 });
    expect(await withBoth.zypper.install("after")).toMatchObject({ code: 0 });
    expect(await withBoth.zypper.installed()).toContain("after-1.0-1.noarch");
  });

  test("hosts with the old key alone are asked, and go on once somebody says yes", async () => {
    expect(await refreshUnasked(withOld.dnf)).not.toBe(0);
    expect(await withOld.dnf.makecache()).toMatchObject({ code: 0 });
    expect(await withOld.dnf.install("after")).toMatchObject({ code: 0 });

    const refused = await withOld.zypper.refresh();
    expect(refused.code).not.toBe(0);
    expect(refused.output).toContain("unknown key");
    await withOld.zypper.trust(await readFile(join(keys.publicDir, "tatara.asc"), "utf8"));
    expect(await withOld.zypper.refresh()).toMatchObject({ code: 0 });
    expect(await withOld.zypper.install("after")).toMatchObject({ code: 0 });
  });

  test("new hosts install what either key signed", async () => {
    await using host = await dnfClient({ repoUrl: `${rig.server.url}/yum/dev.repo` });

    expect(await host.install("before", "overlap", "after")).toMatchObject({ code: 0 });
  });

  test("a generation of before is still accepted", async () => {
    const text = await (await fetch(`${rig.server.url}/yum/dev.repo`)).text();
    const repoText = text.replace(/^mirrorlist=.*$/m, `baseurl=${oldGeneration}`);
    await using host = await dnfClient({ repoText });

    expect(await host.makecache()).toMatchObject({ code: 0 });
    expect(await host.install("before")).toMatchObject({ code: 0 });
  });
});

describe("after the old key is retired", () => {
  beforeAll(async () => {
    await retire(keys, oldKey, never);
    await publish("later");
  });

  test("hosts that have it install everything", async () => {
    expect(await withBoth.dnf.install("later")).toMatchObject({ code: 0 });
    expect(await withBoth.zypper.refresh()).toMatchObject({ code: 0 });
    expect(await withBoth.zypper.install("later")).toMatchObject({ code: 0 });
  });

  test("new hosts install what the new key signed, and refuse what the old one did", async () => {
    await using host = await dnfClient({ repoUrl: `${rig.server.url}/yum/dev.repo` });

    expect(await host.install("after", "later")).toMatchObject({ code: 0 });
    const refused = await host.install("before");

    expect(refused.code).not.toBe(0);
    expect(refused.output).toMatch(/GPG check FAILED|not installed/);
    expect(await host.installed("before")).toEqual([]);
  });

  test("new hosts refuse metadata that the old one signed", async () => {
    const text = await (await fetch(`${rig.server.url}/yum/dev.repo`)).text();
    const repoText = text.replace(/^mirrorlist=.*$/m, `baseurl=${oldGeneration}`);
    await using host = await dnfClient({ repoText });

    expect((await host.makecache()).code).not.toBe(0);
  });
});
