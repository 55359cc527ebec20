import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_CHANNEL_SETTINGS } from "../../src/shared/channel-settings.ts";
import { readGeneration } from "../../src/yum/target-state.ts";
import type { ListedPackage } from "../../src/yum/target-state.ts";
import { openAssembler } from "../../workers/publish/engine/assembler.ts";
import { makeSeeds, writeManyRpms } from "../support/many-rpms.ts";
import type { Seed } from "../support/many-rpms.ts";
import { naiveDocuments, servedDocuments } from "../support/naive-listing.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { makeEngineKeys, startYumEngine } from "../support/yum-engine-rig.ts";
import type { YumEngineRig } from "../support/yum-engine-rig.ts";

const EL9 = "el9.x86_64";
const EL8 = "el8.x86_64";
const never = new AbortController().signal;

let keys: Awaited<ReturnType<typeof makeEngineKeys>>;
let seeds: readonly Seed[];
let rig: YumEngineRig;
let packages: readonly ListedPackage[];

beforeAll(async () => {
  [keys, seeds] = await Promise.all([makeEngineKeys(), makeSeeds()]);
});

afterAll(async () => {
  await keys[Symbol.asyncDispose]();
});

beforeEach(async () => {
  rig = await startYumEngine(keys);
  packages = await writeManyRpms(seeds, { into: { yumDir: rig.layout.yumDir }, count: 90 });
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const some = (from: number, to: number) => packages.slice(from, to);
const nevrasOf = (list: readonly ListedPackage[]) => list.map(({ nevra }) => nevra);

async function expectListed(
  place: { readonly channel?: string; readonly number: number; readonly target?: string },
  wanted: readonly ListedPackage[],
): Promise<number> {
  const at = { channel: "dev", target: EL9, ...place };
  const { revision, ...documents } = await servedDocuments(rig.layout, at);
  const naive = await naiveDocuments(rig.layout)(wanted);
  expect(documents).toEqual(naive);
  return revision;
}

/** Every generation folder of a channel, by number. */
async function numbersOf(channel = "dev"): Promise<readonly string[]> {
  return (await readdir(rig.layout.generations(channel))).toSorted();
}

describe("an edit", () => {
  test("that failed behind its generation's name is tried again under the next number", async () => {
    await rig.publish({ add: { [EL9]: some(0, 3) } });
    // As a disk leaves it that takes the name, and refuses to say that it is safe.
    const left = rig.layout.generation("dev", 2);
    await mkdir(left);
    await writeFile(join(left, "generation.json"), JSON.stringify({ builtFor: ["mine"] }));
    const edit = { builtFor: ["mine"], add: { [EL9]: some(3, 5) } };
    await expect(rig.stage(edit)).rejects.toThrow("ENOTEMPTY");

    const staged = await rig.publish(edit);

    expect(staged).toMatchObject({ base: 1, number: 3 });
    await expectListed({ number: 3 }, some(0, 5));
    expect(await numbersOf()).toEqual(["1", "3"]);
  });

  test("changes what it names, and leaves other targets to the generation that made them", async () => {
    await rig.publish({ add: { [EL9]: some(0, 3), [EL8]: some(1, 2) } });

    const staged = await rig.publish({ add: { [EL9]: some(3, 5) } });

    expect(staged).toEqual({
      channel: "dev",
      base: 1,
      number: 2,
      targets: { [EL9]: 2, [EL8]: 1 },
      counts: { [EL9]: 5, [EL8]: 1 },
    });
    expect(await expectListed({ number: 2 }, some(0, 5))).toBe(2);
    expect(await expectListed({ number: 2, target: EL8 }, some(1, 2))).toBe(1);
    expect(await readdir(rig.layout.generation("dev", 2))).toEqual([EL9, "generation.json"]);
    await expectListed({ number: 1 }, some(0, 3));
  });

  test("that adds what is listed and removes what is not changes nothing", async () => {
    await rig.publish({ add: { [EL9]: packages } });

    const again = { add: { [EL9]: some(0, 3) }, remove: { [EL9]: ["none-1-1.noarch"] } };

    expect(await rig.stage(again)).toBeUndefined();
    expect(await numbersOf()).toEqual(["1"]);
    expect(await readdir(rig.layout.staging)).toEqual([]);
  });

  test("never lists one identity with two contents, in the tail or in a segment", async () => {
    await rig.publish({ add: { [EL9]: packages } });
    await rig.publish({ add: { [EL8]: some(0, 1) } });
    for (const target of [EL9, EL8]) {
      const other = { ...some(1, 2)[0], nevra: packages[0]?.nevra ?? "" } as ListedPackage;

      await expect(rig.stage({ add: { [target]: [other] } })).rejects.toMatchObject({
        code: "NEVRA_TAKEN",
      });
    }
    expect(await numbersOf()).toEqual(["1", "2"]);
  });

  test("may take a package away and bring another in its place", async () => {
    await rig.publish({ add: { [EL9]: packages } });
    const gone = nevrasOf([...some(0, 1), ...some(70, 71)]);

    const staged = await rig.publish({ remove: { [EL9]: gone }, add: { [EL9]: some(0, 1) } });

    const left = [...some(1, 70), ...some(71, 90), ...some(0, 1)];
    await expectListed({ number: staged?.number ?? 0 }, left);
  });

  test("may take everything away: hosts see an empty target", async () => {
    await rig.publish({ add: { [EL9]: packages } });

    const staged = await rig.publish({ remove: { [EL9]: nevrasOf(packages) } });

    expect(staged?.counts).toEqual({ [EL9]: 0 });
    await expectListed({ number: 2 }, []);
  });

  test("is nowhere if its packages could not be stored", async () => {
    const storing = Promise.reject(new Error("disk full"));
    const add = some(0, 1).map((each) => ({ ...each, path: rig.layout.package(each) }));
    const stagingDir = join(rig.layout.staging, "x");
    const nothing = { remove: new Map(), advisories: [], extras: [], rewrite: false };
    const edit = { kind: "edit" as const, add: new Map([[EL9, add]]), ...nothing };
    const request = { channel: "dev", head: 0, settings: DEFAULT_CHANNEL_SETTINGS, edit };

    const staged = rig.engine.stage({ ...request, builtFor: ["p"], stagingDir, storing }, never);

    await expect(staged).rejects.toThrow("disk full");
    expect(await numbersOf()).toEqual([]);
    expect(await readdir(rig.layout.staging)).not.toContain("x");
  });
});

describe("the number of a generation", () => {
  test("is above all that were seen, and an earlier try of the same publish is gone", async () => {
    await rig.publish({ add: { [EL9]: some(0, 1) } });
    await rig.stage({ add: { [EL9]: some(1, 2) }, builtFor: ["mine", "theirs"] });
    await rig.stage({ add: { [EL9]: some(1, 2) }, builtFor: ["somebody's"] });
    expect(await numbersOf()).toEqual(["1", "2", "3"]);
    await rig.reopen();

    const staged = await rig.stage({ add: { [EL9]: some(1, 2) }, builtFor: ["mine"] });

    expect(staged?.number).toBe(4);
    expect(await numbersOf()).toEqual(["1", "3", "4"]);
  });

  test("of one that was dropped may come again", async () => {
    const staged = await rig.stage({ add: { [EL9]: some(0, 1) } });
    if (staged !== undefined) await rig.engine.drop(staged);

    expect(await numbersOf()).toEqual([]);
    expect((await rig.stage({ add: { [EL9]: some(1, 2) } }))?.number).toBe(1);
    await expectListed({ number: 1 }, some(1, 2));
  });
});

describe("a restore", () => {
  test("brings back an older list under a new number, and empties what came later", async () => {
    await rig.publish({ add: { [EL9]: packages } });
    await rig.publish({ add: { [EL8]: some(0, 1) }, remove: { [EL9]: nevrasOf(some(0, 1)) } });

    const staged = await rig.restore("dev", { channel: "dev", number: 1 });
    rig.adopt(staged);

    expect(staged).toMatchObject({ number: 3, base: 2, counts: { [EL9]: 90, [EL8]: 0 } });
    expect(await expectListed({ number: 3 }, packages)).toBe(3);
    await expectListed({ number: 3, target: EL8 }, []);
    expect(await rig.restore("dev", { channel: "dev", number: 3 })).toBeUndefined();
  });

  test("makes a child channel that goes its own way", async () => {
    await rig.publish({ add: { [EL9]: packages.slice(0, 80) } });

    rig.adopt(await rig.restore("child", { channel: "dev", number: 1 }));
    await rig.publish({ channel: "child", add: { [EL9]: some(80, 90) } });

    await expectListed({ channel: "child", number: 1 }, some(0, 80));
    await expectListed({ channel: "child", number: 2 }, packages);
    expect(await numbersOf()).toEqual(["1"]);
  });
});

test("a generation with whole lists, as they were before segments, is a base", async () => {
  const lists = { [EL9]: packages, [EL8]: some(0, 2) };
  const targets = Object.fromEntries(
    Object.entries(lists).map(([target, list]) => {
      const listed = list.map(({ nevra, sha256, fileName }) => ({ nevra, sha256, fileName }));
      return [target, { since: 7, packages: listed }];
    }),
  );
  const old = { channel: "dev", number: 7, base: 6, builtFor: "p", createdAt: 1, targets };
  await mkdir(rig.layout.generation("dev", 7), { recursive: true });
  await writeFile(join(rig.layout.generation("dev", 7), "generation.json"), JSON.stringify(old));
  rig.heads.set("dev", 7);

  const state = await rig.engine.state("dev", 7, EL9);
  const staged = await rig.publish({ remove: { [EL9]: nevrasOf(some(0, 1)) } });

  expect(state?.views.full.packages).toBe(90);
  expect(staged).toMatchObject({ number: 8, targets: { [EL9]: 8, [EL8]: 8 } });
  await expectListed({ number: 8 }, some(1, 90));
  await expectListed({ number: 8, target: EL8 }, some(0, 2));
});

describe("what is not about single packages", () => {
  const advisory = (id: string, nevras: readonly string[]) => ({
    id,
    type: "security" as const,
    severity: "Low" as const,
    title: id,
    description: "",
    issuedAt: 0,
    references: [],
    rebootSuggested: false,
    nevras: [...nevras],
  });
  const modules = (text: string | null) => ({ target: EL9, type: "modules" as const, text });
  const typesOf = async (number: number) =>
    (await rig.engine.state("dev", number, EL9))?.extras.map(({ type }) => type);

  test("stays until it is taken away, and an advisory as long as one of its packages", async () => {
    const [one, two] = nevrasOf(some(0, 2)) as [string, string];
    const advisories = [advisory("A-1", [one]), advisory("A-2", [one, two])];
    await rig.publish({ add: { [EL9]: some(0, 3) }, advisories, extras: [modules("---\n")] });
    await rig.publish({ add: { [EL9]: some(3, 4) } });
    expect(await typesOf(2)).toEqual(["modules", "updateinfo"]);

    await rig.publish({ remove: { [EL9]: [one] } });
    expect((await rig.engine.state("dev", 3, EL9))?.advisories).toEqual(["A-2"]);
    await rig.publish({ remove: { [EL9]: [two] }, extras: [modules(null)] });

    expect(await typesOf(4)).toEqual([]);
    expect(await rig.stage({ extras: [modules(null)] })).toBeUndefined();
  });

  test("is named in repomd.xml under the digest of its file", async () => {
    await rig.publish({ add: { [EL9]: some(0, 1) }, extras: [modules("---\n")] });

    const [extra] = (await rig.engine.state("dev", 1, EL9))?.extras ?? [];
    const repodata = join(rig.layout.served("dev", 1, EL9), "repodata");
    expect(await readFile(join(repodata, "repomd.xml"), "utf8")).toContain(
      `<location href="repodata/${extra?.sha256}-modules.yaml.gz"/>`,
    );
    const size = (await stat(rig.layout.extra(extra?.sha256 ?? ""))).size;
    expect(size).toBe(extra?.sizeBytes);
  });
});

describe("the thread", () => {
  test("that dies takes only what waited for it along, and another is started", async () => {
    const entry = new URL("../fixtures/processes/dying-assembly-thread.ts", import.meta.url);
    const data = { yumDir: rig.layout.yumDir };
    const assembler = openAssembler({ data, logger: silentLogger, entry });

    const dying = assembler.find({ segments: [], nevras: ["die-now"] });
    await expect(dying).rejects.toMatchObject({ code: "PUBLISH_FAILED" });

    expect(await assembler.find({ segments: [], nevras: ["one"] })).toEqual([]);
    await assembler.close();
    await expect(assembler.find({ segments: [], nevras: [] })).rejects.toThrow("closed");
  });

  test("refuses a file that is no RPM as the user's fault", async () => {
    const [first] = packages;
    if (first === undefined) throw new Error("There are no packages.");
    await rm(rig.layout.package(first));
    await writeFile(rig.layout.package(first), "no RPM at all");

    const staged = rig.stage({ add: { [EL9]: [first] } });

    await expect(staged).rejects.toMatchObject({ code: "PACKAGE_INVALID" });
  });
});

test("a rewrite changes the compression and the segments, and not what is listed", async () => {
  await rig.publish({ add: { [EL9]: some(0, 70) } });
  await rig.publish({ add: { [EL9]: some(70, 90) } });

  await rig.publish({ rewrite: true, settings: { compression: "zstd" } });

  const state = await rig.engine.state("dev", 3, EL9);
  expect(state?.compression).toBe("zstd");
  expect(state?.segments.map((each) => each.packages)).toEqual([90]);
  await expectListed({ number: 3 }, packages);
  expect((await readGeneration(rig.layout, "dev", 3)).targets).toEqual({ [EL9]: 3 });
});
