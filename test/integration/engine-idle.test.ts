import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DOCUMENTS } from "../../src/yum/layout.ts";
import type { ListedPackage, View } from "../../src/yum/target-state.ts";
import { makeSeeds, writeManyRpms } from "../support/many-rpms.ts";
import { servedDocuments } from "../support/naive-listing.ts";
import { until } from "../support/until.ts";
import { makeEngineKeys, startYumEngine } from "../support/yum-engine-rig.ts";
import type { YumEngineRig } from "../support/yum-engine-rig.ts";

/** So many that a publish does not decompress them all: an open-checksum shows what was prepared. */
const LARGE = 3_600;
const target = "el9.x86_64";

let keys: Awaited<ReturnType<typeof makeEngineKeys>>;
let rig: YumEngineRig;
let packages: readonly ListedPackage[];

beforeAll(async () => {
  keys = await makeEngineKeys();
  rig = await startYumEngine(keys);
  const into = { yumDir: rig.layout.yumDir };
  packages = await writeManyRpms(await makeSeeds(), { into, count: LARGE + 200 });
  await rig.publish({ add: { [target]: packages.slice(0, LARGE) } });
}, 300_000);

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  await keys?.[Symbol.asyncDispose]();
});

const hasOpenChecksums = ({ documents }: View): boolean =>
  DOCUMENTS.every((document) => documents[document].openSha256 !== null);

async function viewsAfterAdding(from: number, to: number) {
  const add = { [target]: packages.slice(from, to) };
  const number = (await rig.publish({ add }))?.number ?? 0;
  const views = (await rig.engine.state("dev", number, target))?.views;
  if (!views?.base || !views.updates) throw new Error("The target has no layers.");
  await servedDocuments(rig.layout, { channel: "dev", number, target });
  return { full: views.full, base: views.base, updates: views.updates };
}

test("what idle time has prepared is exact, what it has not is left out, up to a fold and after", async () => {
  await rig.engine.settled();
  const first = await viewsAfterAdding(LARGE, LARGE + 1);
  expect(hasOpenChecksums(first.full)).toBe(true);
  expect(hasOpenChecksums(first.base)).toBe(false);

  await rig.reopen();
  const unprepared = await viewsAfterAdding(LARGE + 1, LARGE + 2);
  expect(hasOpenChecksums(unprepared.full)).toBe(false);
  expect(hasOpenChecksums(unprepared.updates)).toBe(true);

  // Segments are joined and the tail is sealed on the way; 85 is the square root of 7,200.
  await viewsAfterAdding(LARGE + 2, LARGE + 82);
  for (let at = LARGE + 82; at < LARGE + 92; at += 1) {
    await rig.engine.settled();
    const { full, base, updates } = await viewsAfterAdding(at, at + 1);
    expect(hasOpenChecksums(full)).toBe(true);
    const notInBase = full.packages - base.packages;
    expect(notInBase).toBeLessThanOrEqual(Math.sqrt(2 * full.packages));
    const isFolded = base.since > 1;
    expect(isFolded).toBe(at >= LARGE + 85);
    expect(hasOpenChecksums(base)).toBe(isFolded);
    if (isFolded) expect(base.since + (at - LARGE - 85)).toBe(full.since);
    // What was folded is in both for two hours.
    expect(updates.packages).toBe(at + 1 - LARGE);
  }
});

test("the next fold is prepared when hosts have the base of the last", async () => {
  const number = (): number => rig.heads.get("dev") ?? 0;
  const before = (await rig.engine.state("dev", number(), target))?.views.base?.since;
  const [from, many] = [LARGE + 92, 90];
  // A moment before the two hours are over: the timer waits for it.
  rig.clock.nowMs += 2 * 3_600_000 - 20;
  const still = await viewsAfterAdding(from, from + many);
  expect(still.base.since).toBe(before);
  await rig.engine.settled();
  const sealed = await segmentFolders();

  rig.clock.nowMs += 20;
  await until(async () => (await segmentFolders()) > sealed, true);
  await rig.engine.settled();
  const { full, base, updates } = await viewsAfterAdding(from + many, from + many + 1);

  expect(base.since).toBe(number());
  expect([full, base, updates].map(hasOpenChecksums)).toEqual([true, true, true]);
});

test("a new process prepares what the next publish needs, and shows the targets", async () => {
  await rig.reopen();
  const live = await rig.engine.state("dev", rig.heads.get("dev") ?? 0, target);
  const seen: unknown[] = [];

  await rig.engine.warm(async (state) => seen.push(state));
  await rig.engine.settled();
  const { full } = await viewsAfterAdding(LARGE + 190, LARGE + 191);

  expect(seen).toEqual([live]);
  expect(hasOpenChecksums(full)).toBe(true);
});

async function segmentFolders(): Promise<number> {
  const folders = await readdir(join(rig.layout.yumDir, "segments"), { recursive: true });
  return folders.filter((name) => name.endsWith("segment.json")).length;
}
