import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_CHANNEL_SETTINGS } from "../../src/shared/channel-settings.ts";
import { yumLayout } from "../../src/yum/layout.ts";
import { openEngine } from "../../workers/publish/engine/engine.ts";
import { openPool } from "../../workers/publish/pool.ts";
import { NO_CHANGE } from "../../workers/publish/prepared.ts";
import { openSigner } from "../../workers/publish/sign.ts";
import { dnfClient } from "../support/dnf-client.ts";
import type { DnfClient } from "../support/dnf-client.ts";
import { makeRpm, makeRpms } from "../support/make-rpm.ts";
import { makeKeysDir, startPublishRig } from "../support/publish-rig.ts";
import type { PublishRig } from "../support/publish-rig.ts";
import { silentLogger } from "../support/silent-logger.ts";
import type { PublishEnd } from "../support/publish-server.ts";

const TARGET = "debian12.x86_64";
const never = new AbortController().signal;
let keys: Awaited<ReturnType<typeof makeKeysDir>>;
let rig: PublishRig;
let client: DnfClient;

beforeAll(async () => {
  keys = await makeKeysDir();
  rig = await startPublishRig(keys);
  const [first, source] = await makeRpms({ name: "hello" });
  const others = [{ name: "altered" }, { name: "epoch", epoch: 2 }].map(makeRpm);
  const rpms = [first, source, ...(await Promise.all(others))];
  await publish(...rpms.filter((rpm) => rpm !== undefined));
  client = await dnfClient({ repoUrl: `${rig.server.url}/yum/dev.repo` });
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
  await keys[Symbol.asyncDispose]();
});

async function publish(...rpms: Parameters<PublishRig["publish"]>[0]): Promise<void> {
  const end: PublishEnd | undefined = await rig.publish(rpms);
  if (end?.kind !== "live") throw new Error(JSON.stringify(end));
}

/** Changes a file as nobody should, for as long as `work` runs. */
async function tampered(path: string, at: number, work: () => Promise<void>): Promise<void> {
  const bytes = await readFile(path);
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ 1;
  await writeFile(path, changed);
  try {
    await work();
  } finally {
    await writeFile(path, bytes);
  }
}

describe("a host with both checks on", () => {
  test("installs, upgrades to the next build and goes back", async () => {
    const installed = await client.install("hello");
    expect(installed).toMatchObject({ code: 0 });
    expect(await client.installed("hello")).toEqual(["hello-1.0-1.noarch"]);

    await publish(await makeRpm({ name: "hello", release: "2", content: "newer" }));
    expect(await client.upgrade("hello")).toMatchObject({ code: 0 });
    expect(await client.installed("hello")).toEqual(["hello-1.0-2.noarch"]);
    expect((await client.run("cat", "/usr/share/hello/content")).output).toBe("newer");

    expect(await client.downgrade("hello")).toMatchObject({ code: 0 });
    expect(await client.installed("hello")).toEqual(["hello-1.0-1.noarch"]);
  });

  test("sees every version in the target, and source packages only beside it", async () => {
    const beside = await fetch(`${rig.server.url}/yum/dev.repo?target=${TARGET}-source`);
    await using sources = await dnfClient({ repoText: await beside.text() });

    expect(await client.list()).toEqual(
      expect.arrayContaining([
        "altered-1.0-1.noarch",
        "epoch-2:1.0-1.noarch",
        "hello-1.0-1.noarch",
      ]),
    );
    expect(await sources.list()).toEqual(["hello-1.0-1.src"]);
  });

  test("works by plain baseurl as well", async () => {
    const { url } = rig.server;
    const text = await (await fetch(`${url}/yum/dev.repo`)).text();
    const plain = text.replace(/^mirrorlist=.*$/m, `baseurl=${url}/yum/dev/${TARGET}/`);
    await using other = await dnfClient({ repoText: plain });

    expect(await other.install("epoch")).toMatchObject({ code: 0 });
  });

  test("finds an older package through a newer generation", async () => {
    const head = rig.server.heads.get("dev")?.head;
    await using other = await dnfClient({ repoUrl: `${rig.server.url}/yum/dev.repo` });
    expect(await other.makecache()).toMatchObject({ code: 0 });
    await publish(await makeRpm({ name: "later" }));

    // Without --refresh it has the older metadata, and asks the newer mirror for the file.
    const end = await other.dnf("install", "altered");

    expect(end).toMatchObject({ code: 0 });
    expect(rig.server.heads.get("dev")?.head).toBe((head ?? 0) + 1);
  });
});

describe("a host refuses", () => {
  test("an RPM whose bytes were changed", async () => {
    const [path] = (await rig.files("pool")).filter((file) => file.includes("altered"));
    const file = join(rig.yumDir, path ?? "");
    const { length } = await readFile(file);
    await using other = await dnfClient({ repoUrl: `${rig.server.url}/yum/dev.repo` });

    await tampered(file, length - 20, async () => {
      const end = await other.install("altered");

      expect(end.code).not.toBe(0);
      expect(end.output).toMatch(/checksum doesn't match|all mirrors were already tried/i);
      expect(await other.installed("altered")).toEqual([]);
    });
  });

  test("an index whose bytes were changed", async () => {
    // The server reads an index once, so it must be changed before.
    await using tamperer = await startPublishRig(keys);
    const end = await tamperer.publish([await makeRpm({ name: "tampered" })]);
    expect(end?.kind).toBe("live");
    await using other = await dnfClient({ repoUrl: `${tamperer.server.url}/yum/dev.repo` });
    const index = join(tamperer.yumDir, "channels/dev/g/1", TARGET, "repodata/repomd.xml");

    await tampered(index, 400, async () => {
      const end = await other.makecache();

      expect(end.code).not.toBe(0);
      expect(end.output).toMatch(/bad PGP signature|GPG|signature/i);
    });
  });

  test("an RPM without a signature, though the index that lists it is signed", async () => {
    await using stranger = await startPublishRig(keys);
    const unsigned = await makeRpm({ name: "unsigned" });
    await serveUnsigned(stranger, unsigned);
    await using other = await dnfClient({ repoUrl: `${stranger.server.url}/yum/dev.repo` });

    const end = await other.install("unsigned");

    expect(end.code).not.toBe(0);
    expect(end.output).toMatch(/is not signed|GPG check FAILED/);
    expect(await other.installed("unsigned")).toEqual([]);
  });
});

/** What our publisher never does, made from its parts. */
async function serveUnsigned(
  target: PublishRig,
  rpm: Awaited<ReturnType<typeof makeRpm>>,
): Promise<void> {
  const { dataDir } = target;
  const layout = yumLayout(target.yumDir);
  const path = join(layout.staging, rpm.fileName);
  await writeFile(path, rpm.bytes);
  const file = { sha256: rpm.sha256, sizeBytes: rpm.bytes.length, fileName: rpm.fileName };
  const pooled = { ...file, path, unsignedSha256: undefined, buildTime: 1_700_000_000 };
  await openPool(layout).add({ ...pooled, accepted: Promise.resolve() });

  const keys = { keysDir: join(dataDir, "keys"), publicDir: layout.keys };
  const verifierDir = join(layout.staging, "other-verifier");
  const signer = await openSigner({ ...keys, verifierDir, now: Date.now }, never);
  const engine = await openEngine({ layout, signer, logger: silentLogger, now: Date.now });
  const listed = { ...file, nevra: "unsigned-1.0-1.noarch", path };
  await engine.stage(
    {
      channel: "dev",
      head: 0,
      settings: DEFAULT_CHANNEL_SETTINGS,
      builtFor: ["nobody"],
      edit: { ...NO_CHANGE, add: new Map([[TARGET, [listed]]]) },
      stagingDir: join(layout.staging, "generation"),
      storing: Promise.resolve(),
    },
    never,
  );
  await engine.close();
  await signer.close();
  target.server.heads.set("dev", { head: 1, targets: { [TARGET]: 1 } });
}
