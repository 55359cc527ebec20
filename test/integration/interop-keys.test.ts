import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importKey, rotate } from "../../src/yum/keys/key-changes.ts";
import type { KeyContext } from "../../src/yum/keys/key-changes.ts";
import { keyFolders } from "../../src/yum/keys/key-store.ts";
import { dearmour } from "../../workers/publish/openpgp.ts";
import { dnfClient } from "../support/dnf-client.ts";
import { inGpgHome, makeKeyFile } from "../support/key-folder.ts";
import { makeRpm } from "../support/make-rpm.ts";
import { startPublishRig } from "../support/publish-rig.ts";
import type { PublishRig } from "../support/publish-rig.ts";
import { zypperClient } from "../support/zypper-client.ts";

const exec = promisify(execFile);
const TARGET = "debian12.x86_64";
const never = new AbortController().signal;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-interop-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** A publisher whose key somebody else made, with gpg. */
async function rigWith(keyFile: string, name: string): Promise<PublishRig & { keys: KeyContext }> {
  const dataDir = join(folder, name);
  const keys = { ...keyFolders(dataDir), now: Date.now };
  await importKey(keys, { path: keyFile, afterMs: 0 }, never);
  return { ...(await startPublishRig({ dataDir })), keys };
}

describe("what an operator's key signed", () => {
  let key: Awaited<ReturnType<typeof makeKeyFile>>;
  let rig: PublishRig;
  let repomd: string;
  let rpm: string;

  beforeAll(async () => {
    const wish = { name: "Ops <ops@example.com>", algorithm: "rsa3072", expires: "3y" };
    key = await makeKeyFile(folder, wish);
    rig = await rigWith(key.secret, "operator");
    const end = await rig.publish([await makeRpm({ name: "hello" })]);
    if (end?.kind !== "live") throw new Error(JSON.stringify(end));
    const files = await rig.files();
    const path = (pattern: RegExp) =>
      join(rig.yumDir, files.find((each) => pattern.test(each)) ?? "");
    repomd = path(/repomd\.xml$/);
    rpm = path(/^pool\/.*\.rpm$/);
  });
  afterAll(async () => {
    await rig[Symbol.asyncDispose]();
  });

  test("gpg accepts, with the operator's own public key", async () => {
    const status = await inGpgHome(async (gpg) => {
      await gpg("--import", key.public);
      return await gpg("--status-fd", "1", "--verify", `${repomd}.asc`, repomd);
    });

    expect(status).toContain(`VALIDSIG ${key.fingerprint}`);
  });

  test("gpgv accepts, with the served key file", async () => {
    const keyring = join(folder, "served.gpg");
    const served = await readFile(join(rig.yumDir, "keys/tatara.asc"), "utf8");
    await writeFile(keyring, dearmour(served));

    const args = ["--keyring", keyring, "--status-fd", "1", `${repomd}.asc`, repomd];
    const { stdout } = await exec("gpgv", args);

    expect(stdout).toContain(`GOODSIG ${key.fingerprint.slice(-16)} Ops <ops@example.com>`);
  });

  test("rpm accepts after rpm --import, and asks for a signature", async () => {
    const db = ["--dbpath", await mkdtemp(join(folder, "rpmdb-"))];
    const level = ["--define", "_pkgverify_level signature"];
    const check = (path: string) => exec("rpmkeys", [...db, ...level, "--checksig", path]);
    await expect(check(rpm)).rejects.toMatchObject({ code: 1 });

    await exec("rpm", [...db, "--import", join(rig.yumDir, "keys/tatara.asc")]);

    expect((await check(rpm)).stdout).toContain("digests signatures OK");
    const { bytes } = await makeRpm({ name: "unsigned" });
    await writeFile(join(folder, "unsigned.rpm"), bytes);
    await expect(check(join(folder, "unsigned.rpm"))).rejects.toMatchObject({ code: 1 });
  });

  test("dnf accepts with both checks on", async () => {
    await using client = await dnfClient({ repoUrl: `${rig.server.url}/yum/dev.repo` });

    expect(await client.install("hello")).toMatchObject({ code: 0 });
    expect(await client.installed("hello")).toEqual(["hello-1.0-1.noarch"]);
  });

  test("zypper accepts with strict checks, once the key is trusted and not before", async () => {
    await using client = await zypperClient(`${rig.server.url}/yum/dev/${TARGET}/`);
    expect((await client.refresh()).code).not.toBe(0);

    await client.trust(await readFile(join(rig.yumDir, "keys/tatara.asc"), "utf8"));

    expect(await client.refresh()).toMatchObject({ code: 0 });
    expect(await client.install("hello")).toMatchObject({ code: 0 });
    expect(await client.installed()).toEqual(["hello-1.0-1.noarch"]);
  });

  test("zypper refuses where another key is trusted", async () => {
    const other = await makeKeyFile(folder, { name: "Other" });
    await using client = await zypperClient(`${rig.server.url}/yum/dev/${TARGET}/`);
    await client.trust(await readFile(other.public, "utf8"));

    expect((await client.refresh()).code).not.toBe(0);
    expect((await client.install("hello")).code).not.toBe(0);
    expect(await client.installed()).toEqual([]);
  });
});

describe("an expired key", () => {
  test("publishes nothing and says the way out; after a rotation the same publish goes through", async () => {
    const key = await makeKeyFile(folder, { expires: "seconds=86400" });
    await using rig = await rigWith(key.secret, "expired");
    await expireYesterday(rig.keys);
    const publishId = rig.server.offer({ packages: [{ rpm: await makeRpm({ name: "hello" }) }] });

    const refused = await rig.again(publishId);

    expect(refused).toMatchObject({ kind: "fault", fault: { code: "SIGNING_FAILED" } });
    expect(JSON.stringify(refused)).toContain("tatara key rotate --now");
    const kept = await rig.files();
    expect(kept.filter((path) => /^(?:pool|channels)\/.*(?:rpm|repomd\.xml)$/.test(path))).toEqual(
      [],
    );

    await rotate(rig.keys, 0, never);

    expect(await rig.again(publishId)).toMatchObject({ kind: "live" });
  });

  test("is reported by gpg, gpgv and zypper in what it signed in time, and dnf refuses that", async () => {
    const at = "20200101T000000";
    const key = await makeKeyFile(folder, { expires: "seconds=8640000", at });
    const valid = await makeKeyFile(folder, { at });
    // gpg's clock goes on from there: the key may be some seconds younger.
    const later = "20200102T000000";
    const repo = await repoSignedBy(key.secret, later);
    const repomd = join(repo, "repodata/repomd.xml");
    const status = ["--status-fd", "1"];
    const keyring = join(folder, "expired.gpg");
    await writeFile(keyring, dearmour(await readFile(key.public, "utf8")));
    await using client = await zypperClient(`dir://${repo}`);
    await client.trust(await readFile(key.public, "utf8"));

    const byGpg = await inGpgHome(async (gpg) => {
      await gpg("--import", key.public);
      return await gpg(...status, "--verify", `${repomd}.asc`, repomd);
    });
    const byGpgv = await exec("gpgv", ["--keyring", keyring, ...status, `${repomd}.asc`, repomd]);
    const byZypper = await client.refresh();

    expect(byGpg).toContain("EXPKEYSIG");
    expect(byGpgv.stdout).toContain("EXPKEYSIG");
    expect(byZypper).toMatchObject({ code: 0, output: expect.stringContaining("has expired") });
    expect((await dnfOn(repo, key.public)).code).toBe(1);
    expect((await dnfOn(await repoSignedBy(valid.secret, later), valid.public)).code).toBe(0);
  });
});

/** As if its day had come: gpg itself goes by the machine's clock. */
async function expireYesterday({ keysDir }: KeyContext): Promise<void> {
  const path = join(keysDir, "rotation.json");
  const ring = JSON.parse(await readFile(path, "utf8")) as { keys: { expiresAt: number }[] };
  for (const key of ring.keys) key.expiresAt = Date.now() - 86_400_000;
  await rm(path);
  await writeFile(path, JSON.stringify(ring), { mode: 0o600 });
}

async function repoSignedBy(secret: string, at: string): Promise<string> {
  const repo = await mkdtemp(join(folder, "repo-"));
  const rpm = await makeRpm({ name: "hello" });
  await writeFile(join(repo, rpm.fileName), rpm.bytes);
  await exec("createrepo_c", ["--quiet", repo]);
  await inGpgHome(async (gpg) => {
    await gpg("--import", secret);
    const repomd = join(repo, "repodata/repomd.xml");
    await gpg("--faked-system-time", at, "--armor", "--detach-sign", repomd);
  });
  return repo;
}

/** The host's own dnf, in a root folder of its own. */
async function dnfOn(repo: string, key: string): Promise<{ readonly code: number }> {
  const root = await mkdtemp(join(folder, "dnf-"));
  await mkdir(join(root, "etc/yum.repos.d"), { recursive: true });
  const lines = [
    "[t]",
    "name=t",
    `baseurl=file://${repo}`,
    "repo_gpgcheck=1",
    `gpgkey=file://${key}`,
  ];
  await writeFile(
    join(root, "etc/yum.repos.d/t.repo"),
    [...lines, "skip_if_unavailable=0", ""].join("\n"),
  );
  const args = ["--assumeyes", `--installroot=${root}`, "--releasever=9", "makecache"];
  return await exec("dnf", args).then(
    () => ({ code: 0 }),
    (err: { readonly code: number }) => err,
  );
}
