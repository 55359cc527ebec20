import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Stopped } from "../../src/domain/stop.ts";
import type { SwitchRequest } from "../../src/shared/protocol.ts";
import { makeRpm, makeRpms, readRpm } from "../support/make-rpm.ts";
import type { MadeRpm } from "../support/make-rpm.ts";
import { makeKeysDir, startPublishRig } from "../support/publish-rig.ts";
import type { PublishRig } from "../support/publish-rig.ts";
import type { PublishEnd } from "../support/publish-server.ts";

const exec = promisify(execFile);
const TARGET = "debian12.x86_64";
let keys: Awaited<ReturnType<typeof makeKeysDir>>;

beforeAll(async () => {
  keys = await makeKeysDir();
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
});

function liveRequest(end: PublishEnd | undefined): SwitchRequest {
  if (end?.kind !== "live") throw new Error(`The publish is not live: ${JSON.stringify(end)}`);
  return end.request;
}

function rawRpm(fileName: string, bytes: Buffer): MadeRpm {
  return { fileName, bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** `debian12.x86_64/hello-1.0-1.noarch` for all that a generation lists. */
async function listed(rig: PublishRig, channel: string, number: number): Promise<string[]> {
  const path = join(rig.yumDir, "channels", channel, "g", String(number), "generation.json");
  const { targets } = JSON.parse(await readFile(path, "utf8")) as {
    targets: Record<string, { packages: { nevra: string }[] }>;
  };
  return Object.entries(targets).flatMap(([target, { packages }]) =>
    packages.map(({ nevra }) => `${target}/${nevra}`),
  );
}

/** Paths of a generation's documents by name, e.g. `primary`. */
async function documentPath(rig: PublishRig, number: number, name: string): Promise<string> {
  const files = await rig.files(`channels/dev/g/${number}/${TARGET}`);
  const found = files.find((file) => file.endsWith(`-${name}.xml.gz`));
  return join(rig.yumDir, found ?? name);
}

describe("what is published", () => {
  test("all packages of a build appear together, source and debug packages beside the target", async () => {
    await using rig = await startPublishRig(keys);
    const debug = (name: string) => [`%package ${name}`, "Summary: x", `%description ${name}`, "x"];
    const sections = [...debug("debuginfo"), "%files debuginfo", ...debug("devel"), "%files devel"];
    const rpms = await makeRpms({ name: "hello", sections });

    const end = await rig.publish(rpms);

    const { generations } = liveRequest(end);
    const targets = { [TARGET]: 1, [`${TARGET}-debug`]: 1, [`${TARGET}-source`]: 1 };
    expect(generations).toEqual([{ channel: "dev", base: 0, number: 1, targets }]);
    expect((await listed(rig, "dev", 1)).toSorted()).toEqual([
      `${TARGET}-debug/hello-debuginfo-1.0-1.noarch`,
      `${TARGET}-source/hello-1.0-1.src`,
      `${TARGET}/hello-1.0-1.noarch`,
      `${TARGET}/hello-devel-1.0-1.noarch`,
    ]);
    expect(await rig.files("staging")).toEqual([]);
  });

  test("a later build is added beside the earlier one, and an untouched target keeps its metadata", async () => {
    await using rig = await startPublishRig(keys);
    const [first, source] = await makeRpms({ name: "hello" });
    const second = await makeRpm({ name: "hello", release: "2" });
    await rig.publish([first, source].filter((rpm) => rpm !== undefined));

    const end = await rig.publish([second]);

    const targets = { [TARGET]: 2, [`${TARGET}-source`]: 1 };
    expect(liveRequest(end).generations).toEqual([{ channel: "dev", base: 1, number: 2, targets }]);
    expect(await listed(rig, "dev", 2)).toEqual([
      `${TARGET}/hello-1.0-1.noarch`,
      `${TARGET}/hello-1.0-2.noarch`,
      `${TARGET}-source/hello-1.0-1.src`,
    ]);
    const files = await rig.files("channels/dev/g/2");
    expect(files.filter((file) => file.includes("-source"))).toEqual([]);
  });

  test("a build goes to several channels and targets at once; the file is stored once", async () => {
    await using rig = await startPublishRig(keys);
    const rpm = await makeRpm({ name: "hello" });
    const packages = [TARGET, "el9.x86_64"].map((target) => ({ rpm, target }));

    const end = await rig.publish([], { packages, channels: ["dev", "stable"] });

    const { generations } = liveRequest(end);
    expect(generations.map(({ channel }) => channel)).toEqual(["dev", "stable"]);
    expect(await listed(rig, "stable", 1)).toEqual([
      `${TARGET}/hello-1.0-1.noarch`,
      "el9.x86_64/hello-1.0-1.noarch",
    ]);
    expect(await rig.files("pool")).toHaveLength(1);
    expect(rig.server.fetches).toEqual(["hello-1.0-1.noarch.rpm"]);
  });

  test("publishes that wait together all become live, one on the other", async () => {
    await using rig = await startPublishRig(keys);
    const names = ["a-one", "b-two", "c-three", "d-four"];
    const rpms = await Promise.all(names.map((name) => makeRpm({ name })));

    const ends = await Promise.all(rpms.map((rpm) => rig.publish([rpm])));

    const numbers = ends.map((end) => liveRequest(end).generations[0]?.number);
    expect(numbers.toSorted()).toEqual([1, 2, 3, 4]);
    expect(await listed(rig, "dev", 4)).toHaveLength(4);
  });

  test("the same content again is no new generation and ends live", async () => {
    await using rig = await startPublishRig(keys);
    const rpm = await makeRpm({ name: "hello" });
    const first = liveRequest(await rig.publish([rpm]));
    const before = await rig.files();

    const again = liveRequest(await rig.publish([rpm]));

    expect(again.generations).toEqual([]);
    expect(again.packages).toEqual(first.packages);
    expect(await rig.files()).toEqual(before);
  });

  test("the same content goes to another channel with the signature it has", async () => {
    await using rig = await startPublishRig(keys);
    const rpm = await makeRpm({ name: "hello" });
    const first = liveRequest(await rig.publish([rpm]));

    const other = liveRequest(await rig.publish([rpm], { channels: ["stable"] }));

    expect(other.generations.map(({ channel, number }) => [channel, number])).toEqual([
      ["stable", 1],
    ]);
    expect(other.packages).toEqual(first.packages);
    expect(await rig.files("pool")).toHaveLength(1);
  });

  test("the same identity with other content is refused, and names who has it", async () => {
    await using rig = await startPublishRig(keys);
    await rig.publish([await makeRpm({ name: "hello", content: "one" })]);
    const before = await rig.files();

    const end = await rig.publish([await makeRpm({ name: "hello", content: "two" })]);

    expect(end).toMatchObject({
      kind: "failed",
      failure: {
        code: "NEVRA_TAKEN",
        title: "hello-1.0-1.noarch was published by #1 with other content.",
        hint: expect.stringContaining("release") as string,
      },
    });
    expect(await rig.files()).toEqual(before);
  });
});

describe("what is refused", () => {
  test.each<[string, (rpm: MadeRpm) => MadeRpm, string]>([
    [
      "a file that is no RPM",
      () => rawRpm("hello-1.0-1.noarch.rpm", Buffer.from("#!/bin/sh\n".repeat(100))),
      "it is not an RPM",
    ],
    [
      "a list of other files, which rpm would follow",
      () => rawRpm("hello-1.0-1.noarch.rpm", Buffer.from("/etc/hostname\n".repeat(20))),
      "it is not an RPM",
    ],
    [
      "a file that is cut off in its payload",
      ({ fileName, bytes }) => rawRpm(fileName, bytes.subarray(0, -40)),
      "its digests do not hold",
    ],
    [
      "a file that is cut off in its header",
      ({ fileName, bytes }) => rawRpm(fileName, bytes.subarray(0, 4_700)),
      "it ends within its header",
    ],
    [
      "a header of which one bit is changed",
      ({ fileName, bytes }) => rawRpm(fileName, flipped(bytes, 5_000)),
      "its digests do not hold",
    ],
    [
      "a header that claims to be huge",
      ({ fileName, bytes }) => rawRpm(fileName, withHeaderSize(bytes, 0x7fffffff)),
      "its header claims",
    ],
    [
      "a file under another package's name",
      ({ bytes }) => rawRpm("bash-5.2-1.noarch.rpm", bytes),
      "its header says that it is hello-1.0-1.noarch.rpm",
    ],
  ])("%s", async (_, spoil, message) => {
    await using rig = await startPublishRig(keys);
    const good = await makeRpm({ name: "good" });

    const end = await rig.publish([good, spoil(await makeRpm({ name: "hello" }))]);

    expect(end).toMatchObject({
      kind: "failed",
      failure: { code: "PACKAGE_INVALID", title: expect.stringContaining(message) as string },
    });
    expect(await rig.files("channels").catch(() => [])).toEqual([]);
    expect(await rig.files("pool").catch(() => [])).toEqual([]);
  });

  test("a package for another architecture, and every other problem in the same answer", async () => {
    await using rig = await startPublishRig(keys);
    const foreign = await makeRpm({ name: "foreign", arch: "aarch64" });
    const { bytes } = await makeRpm({ name: "hello" });

    const end = await rig.publish([foreign, rawRpm("other-1.0-1.noarch.rpm", bytes)]);

    expect(end).toMatchObject({ kind: "failed", failure: { code: "PACKAGE_INVALID" } });
    const excerpt = end?.kind === "failed" ? end.failure.excerpt : "";
    expect(excerpt.split("\n").toSorted()).toEqual([
      `foreign-1.0-1.aarch64.rpm: it is for aarch64, the target ${TARGET} is not`,
      "other-1.0-1.noarch.rpm: its header says that it is hello-1.0-1.noarch.rpm",
    ]);
  });

  test("a package that somebody signed already", async () => {
    await using rig = await startPublishRig(keys);
    const rpm = await makeRpm({ name: "hello" });
    const { packages } = liveRequest(await rig.publish([rpm]));
    const signed = await readRpm(poolPath(rig, packages[0]));

    const end = await rig.publish([signed]);

    expect(end).toMatchObject({
      kind: "failed",
      failure: { title: expect.stringContaining("signed already") as string },
    });
  });

  test("texts that no client could read as XML", async () => {
    await using rig = await startPublishRig(keys);
    const bell = "%{lua:print(string.char(7))}";
    const rpm = await makeRpm({ name: "hello", description: `A bell ${bell} rings.` });

    const end = await rig.publish([rpm]);

    const title = "hello-1.0-1.noarch.rpm: its metadata cannot be written as XML.";
    expect(end).toMatchObject({ kind: "failed", failure: { code: "PACKAGE_INVALID", title } });
  });

  test("bytes that are not those the build announced end as our fault, not the user's", async () => {
    await using rig = await startPublishRig(keys);
    rig.server.scripted.packageAnswers.push(({ bytes }) => flipped(bytes, bytes.length - 10));

    const end = await rig.publish([await makeRpm({ name: "hello" })]);

    expect(end).toMatchObject({ kind: "fault", fault: { code: "ARTIFACT_CHANGED" } });
  });
});

describe("when things go wrong on the way", () => {
  test("a server that restarts in between is asked again", async () => {
    await using rig = await startPublishRig(keys);
    rig.server.scripted.packageAnswers.push(
      () => 503,
      () => 502,
    );
    rig.server.scripted.switchAnswers.push(() => 503);

    const end = await rig.publish([await makeRpm({ name: "hello" })]);

    expect(end?.kind).toBe("live");
  });

  test("when another publish came first, it assembles again on the new generation", async () => {
    await using rig = await startPublishRig(keys);
    const [mine, theirs] = await Promise.all(["mine", "theirs"].map((name) => makeRpm({ name })));
    if (mine === undefined || theirs === undefined) throw new Error("no RPMs");
    // Another publisher, unknown to this one, is live between its claim and its switch.
    await using other = await startPublishRig(keys);
    await other.publish([theirs]);
    rig.server.scripted.switchAnswers.push(() => undefined);
    const id = rig.server.offer({ packages: [{ rpm: mine }] });
    const grant = rig.server.grant(id);
    await cp(other.yumDir, rig.yumDir, { recursive: true, force: false });
    const theirHead = other.server.heads.get("dev");
    if (theirHead) rig.server.heads.set("dev", theirHead);

    await rig.publisher.publish(grant, new AbortController().signal);

    const { generations } = liveRequest(rig.server.endOf(id));
    expect(generations.map(({ base }) => base)).toEqual([1]);
    const number = generations[0]?.number ?? 0;
    expect(await listed(rig, "dev", number)).toEqual([
      `${TARGET}/theirs-1.0-1.noarch`,
      `${TARGET}/mine-1.0-1.noarch`,
    ]);
  });

  test("a publish that was cancelled leaves no generation behind", async () => {
    await using rig = await startPublishRig(keys);
    rig.server.scripted.switchAnswers.push(() => ({ kind: "cancelled" }));

    const end = await rig.publish([await makeRpm({ name: "hello" })]);

    expect(end?.kind).toBe("cancelled");
    expect(await rig.files("channels")).toEqual([]);
    expect(await rig.files("staging")).toEqual([]);
  });

  test("a shutdown hands the publish back; the next attempt signs nothing twice", async () => {
    await using rig = await startPublishRig(keys);
    const shutdown = new AbortController();
    const seen: SwitchRequest[] = [];
    rig.server.scripted.switchAnswers.push((request) => {
      seen.push(request);
      shutdown.abort(new Stopped("shutdown"));
      return 503;
    });
    const id = rig.server.offer({ packages: [{ rpm: await makeRpm({ name: "hello" }) }] });

    const first = await rig.again(id, shutdown.signal);
    const staged = await fetch(`${rig.server.url}/yum/dev/${TARGET}/g/1/repodata/repomd.xml`);
    const second = await rig.again(id);

    expect(first).toEqual({ kind: "handed-back" });
    expect(staged.status).toBe(404);
    expect(liveRequest(second).packages).toEqual(seen[0]?.packages);
    expect(liveRequest(second).generations[0]?.number).toBe(2);
    expect(await rig.files("channels/dev/g/1").catch(() => [])).toEqual([]);
    expect(await rig.files("pool")).toHaveLength(1);
  });

  test("a lost lease says nothing more and leaves what may be live", async () => {
    await using rig = await startPublishRig(keys);
    rig.server.scripted.switchAnswers.push(() => 409);

    const end = await rig.publish([await makeRpm({ name: "hello" })]);

    expect(end).toBeUndefined();
    expect(await rig.files("channels/dev/g/1")).not.toEqual([]);
  });

  test("a full disk stops it before the switch; once there is room it goes on", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "tatara-small-"));
    await exec("mount", ["-t", "tmpfs", "-o", "size=1536k", "tmpfs", dataDir]);
    try {
      await using rig = await startPublishRig({ ...keys, dataDir });
      await rig.publish([await makeRpm({ name: "small" })]);
      const before = await rig.files();

      const end = await rig.publish([await makeRpm({ name: "large", randomBytes: 1_000_000 })]);

      expect(end).toMatchObject({ kind: "fault", fault: { code: "DISK_FULL" } });
      expect(await rig.files()).toEqual(before);
      expect((await rig.publish([await makeRpm({ name: "tiny" })]))?.kind).toBe("live");
    } finally {
      await exec("umount", [dataDir]);
      await rm(dataDir, { recursive: true });
    }
  });
});

describe("what others read in it", () => {
  let rig: PublishRig;
  let request: SwitchRequest;
  let unsigned: readonly MadeRpm[];

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
    request = liveRequest(await rig.publish(unsigned));
  });
  afterAll(async () => {
    await rig[Symbol.asyncDispose]();
  });

  test("rpm accepts each signature with nothing but the published key", async () => {
    const db = await mkdtemp(join(tmpdir(), "tatara-rpmdb-"));
    const key = join(rig.yumDir, "keys", "tatara.asc");
    await exec("rpmkeys", ["--dbpath", db, "--import", key]);
    const level = ["--dbpath", db, "--define", "_pkgverify_level signature", "-K"];

    const { stdout } = await exec("rpmkeys", [...level, ...request.packages.map(poolPathOf)]);

    expect(stdout.match(/: digests signatures OK$/gm)).toHaveLength(4);
    await rm(db, { recursive: true });
  });

  test("gpg accepts the signature of repomd.xml, by the key whose fingerprint is announced", async () => {
    const home = await mkdtemp(join(tmpdir(), "tatara-home-"));
    const options = { env: { ...process.env, GNUPGHOME: home } };
    await exec("gpg", ["--batch", "--import", join(rig.yumDir, "keys", "tatara.asc")], options);
    const repomd = join(rig.yumDir, "channels/dev/g/1", TARGET, "repodata/repomd.xml");
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

    const primary = await documentPath(rig, 1, "primary");
    const { stdout } = await exec("python3", ["-c", script, primary]);

    expect(stdout.trim()).toBe("4 epoch he+llo hello tight");
  });

  test("createrepo_c makes the very same fragments of the signed files", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tatara-createrepo-"));
    for (const published of request.packages) {
      const { signedSha256, fileName } = published;
      await mkdir(join(folder, "p", signedSha256), { recursive: true });
      await cp(poolPathOf(published), join(folder, "p", signedSha256, fileName));
    }
    const form = ["--no-database", "--simple-md-filenames", "--changelog-limit", "10"];
    await exec("createrepo_c", ["--quiet", ...form, folder]);

    for (const name of ["primary", "filelists", "other"]) {
      const theirs = await packagesIn(join(folder, "repodata", `${name}.xml.gz`));
      const ours = await packagesIn(await documentPath(rig, 1, name));
      expect(ours).toEqual(theirs);
    }
    await rm(folder, { recursive: true });
  });

  test("mergerepo_c parses a generation as it parses its own", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tatara-merge-"));
    const repo = join(rig.yumDir, "channels/dev/g/1", TARGET);

    await exec("mergerepo_c", ["--no-database", "--all", "--repo", repo, "--outputdir", folder]);

    const { stdout } = await exec("sh", ["-c", 'zcat "$1"/repodata/*primary*', "sh", folder]);
    expect(stdout.match(/<package /g)).toHaveLength(4);
    await rm(folder, { recursive: true });
  });

  test("without its signature a file is what the build made, byte for byte as rpmsign leaves it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tatara-delsign-"));
    for (const published of request.packages) {
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

  function poolPathOf(published: SwitchRequest["packages"][number]): string {
    return poolPath(rig, published);
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
    expect(await rig.files("keys")).toEqual(["keys/fingerprint", "keys/tatara.asc"]);
    const text = await readFile(join(rig.yumDir, "keys", "tatara.asc"), "utf8");
    expect(text).toMatch(/^-----BEGIN PGP PUBLIC KEY BLOCK-----/);
  });
});

function poolPath(rig: PublishRig, published: SwitchRequest["packages"][number] | undefined) {
  const { signedSha256 = "", fileName = "" } = published ?? {};
  return join(rig.yumDir, "pool", signedSha256.slice(0, 2), signedSha256, fileName);
}

/** Each package's XML, without the time of the file, which is not part of it. */
async function packagesIn(path: string): Promise<readonly string[]> {
  const { stdout } = await exec("zcat", [path], { maxBuffer: 2 ** 26 });
  const packages = stdout.match(/<package [\s\S]*?<\/package>\n/g) ?? [];
  return packages.map((xml) => xml.replace(/<time file="\d+"/, '<time file=""')).toSorted();
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** The main header's data length, which stands 12 bytes after its start. */
function withHeaderSize(bytes: Buffer, sizeBytes: number): Buffer {
  const copy = Buffer.from(bytes);
  const start = copy.indexOf(Buffer.from("8eade801", "hex"), 100);
  copy.writeUInt32BE(sizeBytes, start + 12);
  return copy;
}
