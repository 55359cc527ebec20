import { execFile } from "node:child_process";
import { statSync, utimesSync, writeFileSync } from "node:fs";
import { cp, link, mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Stopped } from "../../src/domain/stop.ts";
import type { ImportGrant } from "../../src/shared/publish-grants.ts";
import { makeRpm, makeRpms, readRpm } from "../support/make-rpm.ts";
import type { MadeRpm } from "../support/make-rpm.ts";
import { listed, live } from "../support/publish-ends.ts";
import { fastClock, makeKeysDir, startPublishRig } from "../support/publish-rig.ts";
import type { PublishRig } from "../support/publish-rig.ts";

const exec = promisify(execFile);
const TARGET = "el9.x86_64";
let keys: Awaited<ReturnType<typeof makeKeysDir>>;
let folder: string;

beforeAll(async () => {
  keys = await makeKeysDir();
  folder = await mkdtemp(join(tmpdir(), "tatara-import-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await keys[Symbol.asyncDispose]();
});

async function folderOf(name: string, rpms: readonly MadeRpm[]): Promise<string> {
  const made = join(folder, name);
  await mkdir(join(made, "Packages"), { recursive: true });
  for (const { fileName, bytes } of rpms) {
    await writeFile(join(made, "Packages", fileName), bytes);
  }
  return made;
}

function importFrom(
  rig: PublishRig,
  from: string,
  foreignSignatures: ImportGrant["foreignSignatures"] = "refuse",
) {
  return rig.server.offerGrant((base) => ({
    ...base,
    kind: "import",
    channel: rig.server.channel("dev"),
    target: TARGET,
    folder: from,
    foreignSignatures,
  }));
}

/** What another installation has published: files in its pool. */
async function foreignRpms(): Promise<readonly string[]> {
  const stranger = await startPublishRig();
  const end = live(await stranger.publish([await makeRpm({ name: "foreign" })]));
  const [published] = end.packages;
  const { signedSha256 = "", fileName = "" } = published ?? {};
  const path = join(stranger.yumDir, "pool", signedSha256.slice(0, 2), signedSha256, fileName);
  const kept = join(folder, fileName);
  await cp(path, kept);
  await stranger[Symbol.asyncDispose]();
  return [kept];
}

describe("an import", () => {
  test("publishes all RPMs of a createrepo directory in one generation, signed", async () => {
    await using rig = await startPublishRig(keys);
    const rpms = [
      ...(await makeRpms({ name: "any" })),
      await makeRpm({ name: "x86", arch: "x86_64" }),
      await makeRpm({ name: "old", arch: "i686" }),
    ];
    const from = await folderOf("createrepo", rpms);
    await exec("createrepo_c", ["--quiet", from]);

    const end = live(await rig.again(importFrom(rig, from)));

    expect(end.generations).toMatchObject([{ channel: "dev", base: 0, number: 1 }]);
    expect((await listed(rig, "dev", 1)).toSorted()).toEqual([
      `${TARGET}-source/any-1.0-1.src`,
      `${TARGET}/any-1.0-1.noarch`,
      `${TARGET}/old-1.0-1.i686`,
      `${TARGET}/x86-1.0-1.x86_64`,
    ]);
    const db = await mkdtemp(join(folder, "rpmdb-"));
    await exec("rpmkeys", ["--dbpath", db, "--import", join(rig.yumDir, "keys/tatara.asc")]);
    const level = ["--dbpath", db, "--define", "_pkgverify_level signature", "-K"];
    const paths = (await rig.files("pool")).map((path) => join(rig.yumDir, path));
    const { stdout } = await exec("rpmkeys", [...level, ...paths]);
    expect(stdout.match(/: digests signatures OK$/gm)).toHaveLength(4);
    expect(await rig.files("staging")).toEqual([]);
  });

  test("links what our own key has signed, and does not touch it", async () => {
    await using rig = await startPublishRig(keys);
    const { packages } = live(await rig.publish([await makeRpm({ name: "ours" })]));
    const [path = ""] = await rig.files("pool");
    const from = await folderOf("ours", [await readRpm(join(rig.yumDir, path))]);
    const file = join(from, "Packages", packages[0]?.fileName ?? "");
    const before = await stat(file);
    await using other = await startPublishRig(keys);

    const end = live(await other.again(importFrom(other, from)));

    const [pooled = ""] = await other.files("pool");
    const after = await stat(join(other.yumDir, pooled));
    expect(end.packages[0]?.signedSha256).toBe(packages[0]?.signedSha256);
    expect({ ino: after.ino, mtimeMs: after.mtimeMs }).toEqual({
      ino: before.ino,
      mtimeMs: before.mtimeMs,
    });
  });

  test("of what is published already changes nothing", async () => {
    await using rig = await startPublishRig(keys);
    const from = await folderOf("twice", [await makeRpm({ name: "twice" })]);
    const first = live(await rig.again(importFrom(rig, from)));

    const second = live(await rig.again(importFrom(rig, from)));

    expect(second.generations).toEqual([]);
    expect(second.packages).toEqual(first.packages);
  });

  test("of what was published here before is the same packages", async () => {
    await using rig = await startPublishRig(keys);
    const first = live(await rig.publish([await makeRpm({ name: "exported" })]));
    const [path = ""] = await rig.files("pool");
    const from = await folderOf("exported", [await readRpm(join(rig.yumDir, path))]);

    const end = live(await rig.again(importFrom(rig, from)));

    expect(end.packages).toMatchObject(
      first.packages.map(({ unsignedSha256, signedSha256 }) => ({ unsignedSha256, signedSha256 })),
    );
    expect(await rig.files("pool")).toEqual([path]);
  });

  test("refuses what somebody else signed, keeps it, or signs copies, as it is told", async () => {
    const [foreign = ""] = await foreignRpms();
    const from = await folderOf("foreign", [
      await readRpm(foreign),
      await makeRpm({ name: "plain" }),
    ]);
    await using rig = await startPublishRig(keys);

    const refused = await rig.again(importFrom(rig, from));
    const poolAfterRefusal = await rig.files("pool").catch(() => []);
    const kept = live(await rig.again(importFrom(rig, from, "keep")));
    await using other = await startPublishRig(keys);
    const resigned = live(await other.again(importFrom(other, from, "resign")));

    expect(refused).toMatchObject({
      kind: "failed",
      failure: {
        code: "PACKAGE_SIGNED",
        title: expect.stringMatching(
          /^foreign-1\.0-1\.noarch\.rpm: signed by [0-9a-f]{16}$/,
        ) as string,
        hint: expect.stringContaining("tatara key import") as string,
      },
    });
    expect(poolAfterRefusal).toEqual([]);
    expect(kept.warnings).toEqual([expect.stringContaining("tatara key import") as string]);
    const { sha256 } = await readRpm(foreign);
    expect(kept.packages.map(({ signedSha256 }) => signedSha256)).toContain(sha256);
    expect(resigned.packages.map(({ signedSha256 }) => signedSha256)).not.toContain(sha256);
    const db = await mkdtemp(join(folder, "rpmdb-"));
    await exec("rpmkeys", ["--dbpath", db, "--import", join(other.yumDir, "keys/tatara.asc")]);
    const paths = (await other.files("pool")).map((path) => join(other.yumDir, path));
    const level = ["--dbpath", db, "--define", "_pkgverify_level signature", "-K"];
    const { stdout } = await exec("rpmkeys", [...level, ...paths]);
    expect(stdout.match(/: digests signatures OK$/gm)).toHaveLength(2);
  });

  test("names every file that cannot be published, and then imports none", async () => {
    await using rig = await startPublishRig(keys);
    const good = await makeRpm({ name: "good" });
    const from = await folderOf("bad", [
      good,
      await makeRpm({ name: "arm", arch: "aarch64" }),
      { ...good, fileName: "cut.rpm", bytes: good.bytes.subarray(0, -30) },
      { ...good, fileName: "text.rpm", bytes: Buffer.from("not an rpm") },
    ]);

    const end = await rig.again(importFrom(rig, from));

    const excerpt = end?.kind === "failed" ? end.failure.excerpt : "";
    expect(excerpt.split("\n")).toEqual([
      "arm-1.0-1.aarch64.rpm: It is for aarch64, and not for el9.x86_64.",
      expect.stringMatching(/^cut\.rpm: The RPM says that \d+ bytes follow/) as string,
      "text.rpm: The file is not an RPM.",
    ]);
    expect(await rig.files("pool").catch(() => [])).toEqual([]);
  });

  test("does not follow links out of the folder", async () => {
    await using rig = await startPublishRig(keys);
    const [inside, outside] = [
      await makeRpm({ name: "inside" }),
      await makeRpm({ name: "outside" }),
    ];
    const from = await folderOf("links", [inside]);
    const beside = await folderOf("beside", [outside]);
    await symlink(join(beside, "Packages", outside.fileName), join(from, "outside.rpm"));
    await symlink(beside, join(from, "beside"));
    await link(join(from, "Packages", inside.fileName), join(from, "again.rpm"));

    const end = live(await rig.again(importFrom(rig, from)));

    expect(end.packages.map(({ fileName }) => fileName)).toEqual([inside.fileName]);
  });

  test.each([
    ["a relative path", () => "Packages", "is not an absolute path"],
    ["a folder that is not there", () => join(folder, "nowhere"), "There is no folder"],
    ["our own folder", (rig: PublishRig) => join(rig.yumDir, "keys"), "keeps its own packages"],
  ])("refuses %s", async (_, from, message) => {
    await using rig = await startPublishRig(keys);

    const end = await rig.again(importFrom(rig, from(rig)));

    expect(end).toMatchObject({
      kind: "failed",
      failure: { title: expect.stringContaining(message) as string },
    });
  });

  test.each([
    ["small", 0],
    ["large", 2 * 2 ** 20],
  ])(
    "signs nothing that was put in the place of what it has read: a %s file",
    async (name, randomBytes) => {
      await using rig = await startPublishRig(keys);
      const rpm = await makeRpm({ name, randomBytes });
      const other = await makeRpm({ name, randomBytes, content: "of another" });
      const from = await folderOf(`swapped-${name}`, [rpm]);
      const path = join(from, "Packages", rpm.fileName);
      rig.server.scripted.checkAnswers.push(() => {
        const { atime, mtime } = statSync(path);
        writeFileSync(path, other.bytes);
        utimesSync(path, atime, mtime);
        return undefined;
      });

      const end = await rig.again(importFrom(rig, from));

      expect(end).toMatchObject({ kind: "failed", failure: { code: "PACKAGE_INVALID" } });
      expect(end?.kind === "failed" && end.failure.title).toContain(
        "changed while it was imported",
      );
      expect(await rig.files("pool").catch(() => [])).toEqual([]);
    },
  );

  test("that is stopped half-way goes on with what it has signed", async () => {
    await using rig = await startPublishRig({ ...keys, now: fastClock() });
    const from = await folderOf("half", [
      await makeRpm({ name: "one" }),
      await makeRpm({ name: "two" }),
    ]);
    const id = importFrom(rig, from);
    const stop = new AbortController();
    rig.server.scripted.switchAnswers.push(() => {
      stop.abort(new Stopped("shutdown"));
      return 503;
    });
    const first = await rig.again(id, stop.signal);
    const signed = await rig.files("pool");

    const second = live(await rig.again(id));

    expect(first).toEqual({ kind: "handed-back" });
    expect(second.packages).toHaveLength(2);
    expect(await rig.files("pool")).toEqual(signed);
  });
});
