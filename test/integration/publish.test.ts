import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Stopped } from "../../src/domain/stop.ts";
import type { PublishedPackage } from "../../src/shared/package-messages.ts";
import type { SwitchRequest } from "../../src/shared/publish-messages.ts";
import { makeRpm, makeRpms, readRpm } from "../support/make-rpm.ts";
import type { MadeRpm } from "../support/make-rpm.ts";
import { listed, live } from "../support/publish-ends.ts";
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

function rawRpm(fileName: string, bytes: Buffer): MadeRpm {
  return { fileName, bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

describe("what is published", () => {
  test("all packages of a build appear together, source and debug packages beside the target", async () => {
    await using rig = await startPublishRig(keys);
    const debug = (name: string) => [`%package ${name}`, "Summary: x", `%description ${name}`, "x"];
    const sections = [...debug("debuginfo"), "%files debuginfo", ...debug("devel"), "%files devel"];
    const rpms = await makeRpms({ name: "hello", sections });

    const end = await rig.publish(rpms);

    const { generations } = live(end);
    const targets = { [TARGET]: 1, [`${TARGET}-debug`]: 1, [`${TARGET}-source`]: 1 };
    const counts = { [TARGET]: 2, [`${TARGET}-debug`]: 1, [`${TARGET}-source`]: 1 };
    expect(generations).toEqual([{ channel: "dev", base: 0, number: 1, targets, counts }]);
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
    const counts = { [TARGET]: 2, [`${TARGET}-source`]: 1 };
    expect(live(end).generations).toEqual([
      { channel: "dev", base: 1, number: 2, targets, counts },
    ]);
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

    const { generations } = live(end);
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

    const numbers = ends.map((end) => live(end).generations[0]?.number ?? 0);
    expect(await listed(rig, "dev", Math.max(...numbers))).toHaveLength(4);
  });

  test("the same content again is no new generation and ends live", async () => {
    await using rig = await startPublishRig(keys);
    const rpm = await makeRpm({ name: "hello" });
    const first = live(await rig.publish([rpm]));
    const before = await rig.files();

    const again = live(await rig.publish([rpm]));

    expect(again.generations).toEqual([]);
    expect(again.packages).toEqual(first.packages);
    expect(await rig.files()).toEqual(before);
  });

  test("the same content goes to another channel with the signature it has", async () => {
    await using rig = await startPublishRig(keys);
    const rpm = await makeRpm({ name: "hello" });
    const first = live(await rig.publish([rpm]));

    const other = live(await rig.publish([rpm], { channels: ["stable"] }));

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
      "The file is not an RPM.",
    ],
    [
      "a list of other files, which rpm would follow",
      () => rawRpm("hello-1.0-1.noarch.rpm", Buffer.from("/etc/hostname\n".repeat(20))),
      "The file is not an RPM.",
    ],
    [
      "a file that is cut off in its payload",
      ({ fileName, bytes }) => rawRpm(fileName, bytes.subarray(0, -40)),
      "bytes follow its signatures",
    ],
    [
      "a file that is cut off in its header",
      ({ fileName, bytes }) => rawRpm(fileName, bytes.subarray(0, 4_700)),
      "The RPM ends within its header",
    ],
    [
      "a header of which one bit is changed",
      ({ fileName, bytes }) => rawRpm(fileName, flipped(bytes, 5_000)),
      "The digest of the RPM's",
    ],
    [
      "a header that claims to be huge",
      ({ fileName, bytes }) => rawRpm(fileName, withHeaderSize(bytes, 0x7fffffff)),
      "The RPM's header claims",
    ],
    [
      "a file under another package's name",
      ({ bytes }) => rawRpm("bash-5.2-1.noarch.rpm", bytes),
      "Its header says that it is hello-1.0-1.noarch.rpm.",
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
      `foreign-1.0-1.aarch64.rpm: It is for aarch64, the target ${TARGET} is not.`,
      "other-1.0-1.noarch.rpm: Its header says that it is hello-1.0-1.noarch.rpm.",
    ]);
  });

  test("a package that somebody signed already", async () => {
    await using rig = await startPublishRig(keys);
    const rpm = await makeRpm({ name: "hello" });
    const { packages } = live(await rig.publish([rpm]));
    const signed = await readRpm(poolPath(rig, packages[0]));

    const end = await rig.publish([signed]);

    expect(end).toMatchObject({
      kind: "failed",
      failure: {
        code: "PACKAGE_SIGNED",
        title: expect.stringContaining("signed already") as string,
      },
    });
  });

  test("texts that no client could read as XML", async () => {
    await using rig = await startPublishRig(keys);
    const bell = "%{lua:print(string.char(7))}";
    const rpm = await makeRpm({ name: "hello", description: `A bell ${bell} rings.` });

    const end = await rig.publish([rpm]);

    const title = expect.stringContaining("XML") as string;
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

    const { generations } = live(rig.server.endOf(id));
    expect(generations.map(({ base }) => base)).toEqual([1]);
    const number = generations[0]?.number ?? 0;
    expect(await listed(rig, "dev", number)).toEqual([
      `${TARGET}/theirs-1.0-1.noarch`,
      `${TARGET}/mine-1.0-1.noarch`,
    ]);
  });

  test("a publish that was cancelled leaves no generation behind", async () => {
    await using rig = await startPublishRig(keys);
    rig.server.scripted.switchAnswers.push(({ publishes }) => ({
      kind: "refused",
      publishes: publishes.map(({ publishId }) => {
        return { publishId, why: "cancelled", refusal: null };
      }),
    }));

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
    expect(live(second).packages).toEqual(seen[0]?.publishes[0]?.packages);
    expect(live(second).generations[0]?.number).toBe(2);
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

function poolPath(rig: PublishRig, published: PublishedPackage | undefined) {
  const { signedSha256 = "", fileName = "" } = published ?? {};
  return join(rig.yumDir, "pool", signedSha256.slice(0, 2), signedSha256, fileName);
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
