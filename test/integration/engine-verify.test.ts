import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { exportTarget } from "../../src/yum/export-target.ts";
import type { ListedPackage } from "../../src/yum/target-state.ts";
import { verifyTarget } from "../../src/yum/verify-target.ts";
import { makeSeeds, writeManyRpms } from "../support/many-rpms.ts";
import type { Seed } from "../support/many-rpms.ts";
import { makeEngineKeys, startYumEngine } from "../support/yum-engine-rig.ts";
import type { YumEngineRig } from "../support/yum-engine-rig.ts";

const target = "el9.x86_64";
const place = { channel: "dev", number: 1, target };
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
  const into = { yumDir: rig.layout.yumDir };
  packages = await writeManyRpms(seeds, { into, count: 70 });
  await rig.publish({ add: { [target]: packages.slice(0, 64) } });
  const extras = [{ target, type: "modules" as const, text: "---\n" }];
  await rig.publish({ add: { [target]: packages.slice(64) }, extras });
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

async function problems(number = 2): Promise<readonly string[] | undefined> {
  const verified = await verifyTarget(
    rig.layout,
    { ...place, number },
    { verifySignature: (path, signature) => rig.signer.verify.detached(path, signature, never) },
  );
  return verified?.problems;
}

async function segmentFolder(number: number): Promise<string> {
  const state = await rig.engine.state("dev", number, target);
  return rig.layout.segment(state?.segments[0]?.id ?? "");
}

/** One bit in the middle. */
async function damage(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

describe("the check of a target", () => {
  test("finds nothing wrong where nothing is, and knows what is not there", async () => {
    expect(await problems()).toEqual([]);
    const unknown = { ...place, target: "none" };
    expect(await verifyTarget(rig.layout, unknown, { verifySignature: notAsked })).toBeUndefined();
  });

  test("finds a package that is not in the pool, and one with other bytes", async () => {
    const [first, , third] = packages;
    if (first === undefined || third === undefined) throw new Error("There are no packages.");
    await rm(rig.layout.package(first));
    await appendFile(rig.layout.package(third), "more");

    const found = await problems();

    expect(found?.length).toBe(2);
    expect(found?.[0]).toContain(`${first.nevra}: ENOENT`);
    expect(found?.[1]).toContain(`${third.nevra}: sha256 is `);
  });

  test("finds a damaged segment, and a rewrite makes it good again", async () => {
    await rig.publish({ rewrite: true });
    const path = join(await segmentFolder(3), "filelists.xml.gz");
    await damage(path);
    expect((await problems(3))?.[0]).toMatch(/^Segment .*: filelists sha256 is /);

    await rig.publish({ rewrite: true });

    expect(await problems(4)).toEqual([]);
    expect(await problems(3)).toEqual([]);
  });

  test.each([
    ["primary.ends", /^primary: /],
    ["repomd.xml", /^repomd\.xml: text is /],
    ["repomd.xml.asc", /^repomd\.xml\.asc: /],
  ])("finds that %s was changed", async (name, problem) => {
    const path = join(rig.layout.served("dev", 2, target), "repodata", name);
    await damage(path);

    expect((await problems())?.some((each) => problem.test(each))).toBe(true);
  });

  test("finds that an extra file was changed", async () => {
    const state = await rig.engine.state("dev", 2, target);
    await appendFile(rig.layout.extra(state?.extras[0]?.sha256 ?? ""), "more");

    expect((await problems())?.[0]).toMatch(/^modules: sha256 is /);
  });
});

const notAsked = (): Promise<void> => Promise.reject(new Error("It is not asked."));

describe("the export of a target", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tatara-export-"));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  test("links or copies packages, and can be brought up to date", async () => {
    const options = { link: true };
    const first = await exportTarget(rig.layout, place, folder, options);
    expect(first?.packages).toBe(64);

    await exportTarget(rig.layout, { ...place, number: 2 }, folder, { link: false });

    const linked = packages[0];
    const copied = packages[69];
    if (linked === undefined || copied === undefined) throw new Error("There are no packages.");
    const links = async (each: ListedPackage): Promise<number> =>
      (await stat(join(folder, "p", each.sha256, each.fileName))).nlink;
    expect([await links(linked), await links(copied)]).toEqual([2, 1]);
    const repomd = await readFile(join(folder, "repodata", "repomd.xml"), "utf8");
    expect(repomd).toContain("<revision>2</revision>");
    const names = [...repomd.matchAll(/href="repodata\/(.*?)"/g)].map(([, name]) => name);
    expect(await readdir(join(folder, "repodata"))).toEqual(expect.arrayContaining(names));
    const signature = join(folder, "repodata", "repomd.xml.asc");
    await rig.signer.verify.detached(join(folder, "repodata", "repomd.xml"), signature, never);
  });

  test("of a target that is not there writes nothing", async () => {
    const none = { ...place, target: "none" };

    expect(await exportTarget(rig.layout, none, folder, { link: true })).toBeUndefined();
    expect(await readdir(folder)).toEqual([]);
  });
});
