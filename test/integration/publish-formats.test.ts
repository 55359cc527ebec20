import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PublishedPackage } from "../../src/shared/package-messages.ts";
import type { SwitchRequest } from "../../src/shared/publish-messages.ts";
import { makeRpm, readRpm } from "../support/make-rpm.ts";
import type { MadeRpm } from "../support/make-rpm.ts";
import { makeKeysDir, startPublishRig } from "../support/publish-rig.ts";
import type { PublishRig } from "../support/publish-rig.ts";

const exec = promisify(execFile);
const TARGET = "debian12.x86_64";
let keys: Awaited<ReturnType<typeof makeKeysDir>>;

beforeAll(async () => {
  keys = await makeKeysDir();
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
});

/** A generation as a client has it once it has fetched all: a folder with `repodata`. */
async function fetchRepodata(rig: PublishRig, number: number, folder: string): Promise<void> {
  const url = `${rig.server.url}/yum/dev/${TARGET}/g/${number}/`;
  await mkdir(join(folder, "repodata"), { recursive: true });
  const fetchTo = async (path: string): Promise<Buffer> => {
    const response = await fetch(url + path);
    if (response.status !== 200) throw new Error(`${path}: ${response.status}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    await writeFile(join(folder, path), bytes);
    return bytes;
  };
  const repomd = (await fetchTo("repodata/repomd.xml")).toString();
  await fetchTo("repodata/repomd.xml.asc");
  for (const [, path = ""] of repomd.matchAll(/<location href="([^"]+)"/g)) await fetchTo(path);
}

describe("what others read in it", () => {
  let rig: PublishRig;
  let fetched: string;
  let request: SwitchRequest;
  let packages: readonly PublishedPackage[];
  let unsigned: readonly MadeRpm[];

  /** Where a document is, e.g. `primary`. */
  async function documentPath(name: string): Promise<string> {
    const names = await readdir(join(fetched, "repodata"));
    return join(
      fetched,
      "repodata",
      names.find((file) => file.endsWith(`-${name}.xml.gz`)) ?? name,
    );
  }

  beforeAll(async () => {
    rig = await startPublishRig(keys);
    const odd = ["Requires: (bash if zsh)", "Provides: böse = 1", "Obsoletes: older < 2"];
    const wishes = [
      { name: "hello" },
      { name: "he+llo", version: "1.0^1.gab", release: "1~rc.2", summary: '<é> & "ü" it\'s' },
      { name: "epoch", epoch: 3, preamble: odd, arch: "x86_64" },
      // Without room for a signature the rest of the file moves.
      { name: "tight", defines: ["__gpg_reserved_space 0"] },
    ];
    unsigned = await Promise.all(wishes.map(makeRpm));
    const end = await rig.publish(unsigned);
    if (end?.kind !== "live") throw new Error(JSON.stringify(end));
    request = end.request;
    ({ packages } = end.publish);
    fetched = await mkdtemp(join(tmpdir(), "tatara-repodata-"));
    await fetchRepodata(rig, 1, fetched);
  });
  afterAll(async () => {
    await rm(fetched, { recursive: true });
    await rig[Symbol.asyncDispose]();
  });

  test("rpm accepts each signature with nothing but the published key", async () => {
    const db = await mkdtemp(join(tmpdir(), "tatara-rpmdb-"));
    const key = join(rig.yumDir, "keys", "tatara.asc");
    await exec("rpmkeys", ["--dbpath", db, "--import", key]);
    const level = ["--dbpath", db, "--define", "_pkgverify_level signature", "-K"];

    const { stdout } = await exec("rpmkeys", [...level, ...packages.map(poolPathOf)]);

    expect(stdout.match(/: digests signatures OK$/gm)).toHaveLength(4);
    await rm(db, { recursive: true });
  });

  test("gpg accepts the signature of repomd.xml, by the key whose fingerprint is announced", async () => {
    const home = await mkdtemp(join(tmpdir(), "tatara-home-"));
    const options = { env: { ...process.env, GNUPGHOME: home } };
    await exec("gpg", ["--batch", "--import", join(rig.yumDir, "keys", "tatara.asc")], options);
    const repomd = join(fetched, "repodata/repomd.xml");
    const args = ["--batch", "--status-fd", "1", "--verify", `${repomd}.asc`, repomd];

    const { stdout } = await exec("gpg", args, options);

    const fingerprint = await readFile(join(rig.yumDir, "keys", "fingerprint"), "utf8");
    expect(stdout).toContain(`VALIDSIG ${fingerprint.trim()}`);
    expect(request.keyFingerprint).toBe(fingerprint.trim());
    await exec("gpgconf", ["--kill", "all"], options);
    await rm(home, { recursive: true });
  });

  test("python's gzip and ElementTree see the packages and their number", async () => {
    const script = [
      "import gzip, sys, xml.etree.ElementTree as tree",
      "root = tree.fromstring(gzip.open(sys.argv[1]).read())",
      "name = '{http://linux.duke.edu/metadata/common}name'",
      "print(root.get('packages'), *sorted(p.find(name).text for p in root))",
    ].join("\n");

    const primary = await documentPath("primary");
    const { stdout } = await exec("python3", ["-c", script, primary]);

    expect(stdout.trim()).toBe("4 epoch he+llo hello tight");
  });

  test("createrepo_c makes the very same fragments of the signed files", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tatara-createrepo-"));
    for (const published of packages) {
      const { signedSha256, fileName } = published;
      await mkdir(join(folder, "p", signedSha256), { recursive: true });
      await cp(poolPathOf(published), join(folder, "p", signedSha256, fileName));
    }
    const form = ["--no-database", "--simple-md-filenames", "--changelog-limit", "10"];
    await exec("createrepo_c", ["--quiet", ...form, folder]);

    for (const name of ["primary", "filelists", "other"]) {
      const theirs = await packagesIn(join(folder, "repodata", `${name}.xml.gz`));
      const ours = await packagesIn(await documentPath(name));
      expect(ours).toEqual(theirs);
    }
    await rm(folder, { recursive: true });
  });

  test("mergerepo_c parses a generation as it parses its own", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tatara-merge-"));

    await exec("mergerepo_c", ["--no-database", "--all", "--repo", fetched, "--outputdir", folder]);

    const { stdout } = await exec("sh", ["-c", 'zcat "$1"/repodata/*primary*', "sh", folder]);
    expect(stdout.match(/<package /g)).toHaveLength(4);
    await rm(folder, { recursive: true });
  });

  test("without its signature a file is what the build made, byte for byte as rpmsign leaves it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tatara-delsign-"));
    for (const published of packages) {
      const ours = join(folder, "ours.rpm");
      const theirs = join(folder, "theirs.rpm");
      await cp(poolPathOf(published), ours);
      await rpmsignCopy(unsigned, published.unsignedSha256, theirs);
      expect((await stat(ours)).size).toBe((await stat(theirs)).size);

      await exec("rpmsign", ["--delsign", ours]);
      await exec("rpmsign", ["--delsign", theirs]);

      expect((await readRpm(ours)).sha256).toBe((await readRpm(theirs)).sha256);
    }
    await rm(folder, { recursive: true });
  });

  async function rpmsignCopy(all: readonly MadeRpm[], sha256: string, to: string): Promise<void> {
    const rpm = all.find((each) => each.sha256 === sha256);
    await writeFile(to, rpm?.bytes ?? "");
    const home = join(rig.dataDir, "keys");
    const defines = [
      "__gpg /usr/bin/gpg",
      `_gpg_name ${rig.publisher.fingerprint}`,
      `_gpg_path ${home}`,
    ];
    const args = defines.flatMap((define) => ["--define", define]);
    await exec("rpmsign", ["--addsign", ...args, to]);
    await exec("gpgconf", ["--kill", "all"], { env: { ...process.env, GNUPGHOME: home } });
  }

  function poolPathOf({ signedSha256, fileName }: PublishedPackage): string {
    return join(rig.yumDir, "pool", signedSha256.slice(0, 2), signedSha256, fileName);
  }
});

describe("the key", () => {
  test("is made at first start, in a home that only we can read, and kept", async () => {
    await using rig = await startPublishRig();
    const home = join(rig.dataDir, "keys");
    await using second = await startPublishRig({ keysDir: home });

    const { mode } = await stat(home);
    const listing = await exec("gpg", ["--homedir", home, "--with-colons", "-K"]);
    await exec("gpgconf", ["--homedir", home, "--kill", "all"]);

    expect(mode & 0o777).toBe(0o700);
    expect(listing.stdout).toMatch(/^sec:u:4096:1:/m);
    expect(second.publisher.fingerprint).toBe(rig.publisher.fingerprint);
    expect(await rig.files("keys")).toEqual([
      "keys/fingerprint",
      "keys/status.json",
      "keys/tatara.asc",
    ]);
    const text = await readFile(join(rig.yumDir, "keys", "tatara.asc"), "utf8");
    expect(text).toMatch(/^-----BEGIN PGP PUBLIC KEY BLOCK-----/);
  });

  test("that expired stops the publisher; no other is made in silence", async () => {
    const home = await mkdtemp(join(tmpdir(), "tatara-expired-"));
    const options = { env: { ...process.env, GNUPGHOME: home } };
    const request = ["--quick-generate-key", "Old", "rsa2048", "sign", "seconds=1"];
    const past = ["--batch", "--faked-system-time", "20200101T000000"];
    await exec("gpg", [...past, "--passphrase", "", ...request], options);
    await exec("gpgconf", ["--kill", "all"], options);

    await expect(startPublishRig({ keysDir: home })).rejects.toThrow("expired");

    await rm(home, { recursive: true });
  });
});

/** Each package's XML, without the time of the file, which is not part of it. */
async function packagesIn(path: string): Promise<readonly string[]> {
  const { stdout } = await exec("zcat", [path], { maxBuffer: 2 ** 26 });
  const packages = stdout.match(/<package [\s\S]*?<\/package>\n/g) ?? [];
  return packages.map((xml) => xml.replace(/<time file="\d+"/, '<time file=""')).toSorted();
}
