import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SweepGrant } from "../../src/shared/publish-grants.ts";
import { yumLayout } from "../../src/yum/layout.ts";
import { openGenerationNumbers } from "../../workers/publish/engine/generation-numbers.ts";
import { makeRpm } from "../support/make-rpm.ts";
import { live } from "../support/publish-ends.ts";
import { makeKeysDir, startPublishRig } from "../support/publish-rig.ts";
import type { PublishRig } from "../support/publish-rig.ts";

const TARGET = "el9.x86_64";
const OTHER = "fc43.x86_64";
let keys: Awaited<ReturnType<typeof makeKeysDir>>;

beforeAll(async () => {
  keys = await makeKeysDir();
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
});

async function publish(rig: PublishRig, name: string, target = TARGET) {
  const rpm = await makeRpm({ name });
  const end = live(await rig.publish([], { packages: [{ rpm, target }] }));
  const { signedSha256 = "", fileName = "" } = end.packages[0] ?? {};
  return { sha256: signedSha256, fileName };
}

function sweepOf(rig: PublishRig, wish: Partial<SweepGrant>) {
  return rig.run((base) => ({
    ...base,
    kind: "sweep",
    keep: [],
    dropPackages: [],
    graceMs: 0,
    dryRun: false,
    ...wish,
  }));
}

/** Generation numbers of `dev` that are there. */
async function generations(rig: PublishRig): Promise<readonly string[]> {
  const files = await rig.files("channels/dev/g");
  return [...new Set(files.map((path) => path.split("/")[3] ?? ""))].toSorted();
}

describe("a sweep", () => {
  test("deletes generations that nobody keeps, but not those whose files a kept one uses", async () => {
    await using rig = await startPublishRig(keys);
    await publish(rig, "other", OTHER);
    await publish(rig, "one");
    await publish(rig, "two");
    await publish(rig, "three");

    const end = await sweepOf(rig, { keep: [{ channel: "dev", numbers: [4] }] });

    expect(end).toEqual({ kind: "done", report: ["generation dev/3", "generation dev/2"] });
    // The untouched target's metadata are those of the first.
    expect(await generations(rig)).toEqual(["1", "4"]);
    const repomd = `${rig.server.url}/yum/dev/${OTHER}/g/1/repodata/repomd.xml`;
    expect((await fetch(repomd)).status).toBe(200);
    expect(await rig.files("staging")).toEqual([]);
    await publish(rig, "four");
  });

  test("deletes the packages that are named, but none that is listed, and their records", async () => {
    await using rig = await startPublishRig(keys);
    const gone = await publish(rig, "gone");
    const kept = await publish(rig, "kept");
    const remove = [{ target: TARGET, nevra: "gone-1.0-1.noarch" }];
    const none = { add: [], advisories: [], extras: [], rewrite: false };
    await rig.run((base) => ({
      ...base,
      kind: "edit",
      edits: [{ ...none, channel: rig.server.channel("dev"), remove }],
    }));

    const end = await sweepOf(rig, {
      keep: [{ channel: "dev", numbers: [3] }],
      dropPackages: [gone, kept, { sha256: "0".repeat(64), fileName: "../../x.rpm" }],
    });

    expect(end?.kind === "done" ? end.report : []).toContain(
      `package ${gone.fileName} (${gone.sha256})`,
    );
    expect(await rig.files("pool")).toEqual([expect.stringContaining(kept.fileName) as string]);
    expect(await rig.files("signed")).toHaveLength(1);
  });

  test("only tells what it would do when it is a rehearsal", async () => {
    await using rig = await startPublishRig(keys);
    await publish(rig, "one");
    await publish(rig, "two");
    const before = await rig.files();

    const end = await sweepOf(rig, { keep: [{ channel: "dev", numbers: [2] }], dryRun: true });

    expect(end).toEqual({ kind: "done", report: ["generation dev/1"] });
    expect(await rig.files()).toEqual(before);
  });

  test("leaves what is young, whoever keeps it", async () => {
    await using rig = await startPublishRig(keys);
    const one = await publish(rig, "one");
    await publish(rig, "two");
    const before = await rig.files();

    const end = await sweepOf(rig, { graceMs: 3_600_000, dropPackages: [one] });

    expect(end).toEqual({ kind: "done", report: [] });
    expect(await rig.files()).toEqual(before);
  });

  test("leaves a young package that nothing lists yet", async () => {
    await using rig = await startPublishRig(keys);
    rig.server.scripted.switchAnswers.push(({ publishes }) => ({
      kind: "refused",
      publishes: publishes.map(({ publishId }) => ({ publishId, why: "cancelled", refusal: null })),
    }));
    await rig.publish([await makeRpm({ name: "loose" })]);
    const [path = ""] = await rig.files("pool");
    const [, , sha256 = "", fileName = ""] = path.split("/");
    const dropPackages = [{ sha256, fileName }];

    const young = await sweepOf(rig, { graceMs: 3_600_000, dropPackages });
    const kept = await rig.files("pool");
    await sweepOf(rig, { dropPackages });

    expect(young).toEqual({ kind: "done", report: [] });
    expect(kept).toEqual([path]);
    expect(await rig.files("pool")).toEqual([]);
  });

  test("deletes segments and metadata files that no generation lists, and nothing it does not know", async () => {
    await using rig = await startPublishRig(keys);
    await publish(rig, "one");
    const layout = yumLayout(rig.yumDir);
    const id = "ab".repeat(32);
    const segment = join(layout.segment(id), "segment.json");
    const extra = layout.extra("cd".repeat(32));
    const strange = [join(rig.yumDir, "segments/ab/README"), join(rig.yumDir, "notes.txt")];
    for (const path of [segment, extra, ...strange]) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, "x");
    }

    const end = await sweepOf(rig, { keep: [{ channel: "dev", numbers: [1] }] });

    expect(end).toMatchObject({
      report: [`segment ${id}`, `metadata file ${"cd".repeat(32)}`],
    });
    await expect(stat(dirname(segment))).rejects.toThrow("ENOENT");
    await expect(stat(extra)).rejects.toThrow("ENOENT");
    for (const path of strange) expect(await readFile(path, "utf8")).toBe("x");
  });

  test("leaves the numbers of a deleted channel taken: its addresses are kept in caches for a year", async () => {
    await using rig = await startPublishRig(keys);
    await publish(rig, "one");
    await publish(rig, "two");

    await sweepOf(rig, { keep: [] });
    const again = await sweepOf(rig, { keep: [] });

    const layout = yumLayout(rig.yumDir);
    const numbers = openGenerationNumbers(layout);
    expect(await numbers.next({ channel: "dev", head: 0, builtFor: [] })).toBe(3);
    expect(again).toEqual({ kind: "done", report: [] });
    await expect(stat(layout.generation("dev", 2))).rejects.toThrow("ENOENT");
  });

  test("deletes nothing when it cannot read what a kept generation needs", async () => {
    await using rig = await startPublishRig(keys);
    await publish(rig, "one");
    await publish(rig, "two");
    await rm(join(rig.yumDir, "channels/dev/g/2", TARGET, "target.json"));
    const before = await rig.files();

    const end = await sweepOf(rig, { keep: [{ channel: "dev", numbers: [2] }] });

    expect(end).toMatchObject({ kind: "fault", fault: { code: "PUBLISH_FAILED" } });
    expect(await rig.files()).toEqual(before);
  });
});
