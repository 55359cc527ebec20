import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isFinal } from "../../src/domain/states.ts";
import { openArtifactFiles } from "../../src/server/artifact-files.ts";
import { buildRetention } from "../../src/server/build-retention.ts";
import { orphanSweep } from "../../src/server/kept-sweep.ts";
import {
  aRetentionWorld,
  DAY_MS,
  KEEP_DAYS,
  MAIN,
  PUBLISHED,
  UNPUBLISHED,
} from "../support/retention-world.ts";

test("an old build loses its log and its unpublished packages, and keeps all else", async () => {
  const world = await aRetentionWorld();
  const old = await world.build({ state: "failed" });
  const before = await world.view(old);
  world.advance((KEEP_DAYS + 1) * DAY_MS);
  const next = await world.build();

  await world.tidy();

  const { logsRemovedAt, ...rest } = await world.view(old);
  const sha256 = before.artifacts[0]?.sha256 ?? "";
  expect(logsRemovedAt).toBe(world.store.now());
  expect({ ...rest, logsRemovedAt: null }).toEqual(before);
  expect(world.hasLog(old)).toBe(false);
  expect(existsSync(join(world.dataDir, "artifacts", sha256.slice(0, 2), sha256))).toBe(false);
  expect(world.hasLog(next)).toBe(true);
  expect(await world.findings()).toEqual([]);
});

test("a log that is gone without a word is still a finding", async () => {
  const world = await aRetentionWorld();
  const broken = await world.build({ state: "failed" });

  await world.logs.removeAll(broken);

  expect(await world.findings()).toHaveLength(1);
});

test("builds younger than that, all of them with 0 days, and those that run keep their logs", async () => {
  const world = await aRetentionWorld();
  await world.build({ state: "running" });
  await world.build();
  await world.build();
  world.advance(KEEP_DAYS * DAY_MS - 1);
  await world.tidy();
  expect(await world.removed()).toEqual(new Set());
  world.advance(DAY_MS);

  await buildRetention({ ...world.deps, keepBuildsDays: 0 })();

  expect(await world.removed()).toEqual(new Set());
});

test("what hosts can have, what is being published and what others are compared with stays", async () => {
  const world = await aRetentionWorld();
  const live = await world.build();
  await world.publish(live, "1", null);
  const swept = await world.build();
  await world.publish(swept, "2", 5);
  const waiting = await world.build({ plan: PUBLISHED });
  const compared = await world.build();
  world.advance((KEEP_DAYS + 1) * DAY_MS);
  const rebuilt = await world.rebuild(compared);
  await world.build();

  await world.tidy();

  expect(await world.removed()).toEqual(new Set([swept]));
  expect([live, waiting, compared, rebuilt].filter((id) => !world.hasLog(id))).toEqual([]);
});

test("a build that others are compared with goes when the last of those has gone", async () => {
  const world = await aRetentionWorld();
  const compared = await world.build();
  const rebuilt = await world.rebuild(compared);
  await world.build();
  world.advance((KEEP_DAYS + 1) * DAY_MS);

  await world.tidy();
  const first = await world.removed();
  await world.tidy();

  expect(first).toEqual(new Set([rebuilt]));
  expect(await world.removed()).toEqual(new Set([rebuilt, compared]));
});

test("days count from the end of a build, however long ago it began", async () => {
  const world = await aRetentionWorld();
  const long = await world.begin();
  await world.build();
  world.advance((KEEP_DAYS + 1) * DAY_MS);
  await world.end(long, {});

  await world.tidy();

  expect(await world.removed()).toEqual(new Set());
});

test("slices skip none of the builds that were made at the same moment", async () => {
  const world = await aRetentionWorld();
  const old = [await world.build(), await world.build(), await world.build(), await world.build()];
  world.advance((KEEP_DAYS + 1) * DAY_MS);
  await world.build();

  await buildRetention(world.deps, { atOnceMax: 1 })();

  expect(await world.removed()).toEqual(new Set(old));
});

test("of each branch the newest build and the newest that passed stay; tags are no branches", async () => {
  const world = await aRetentionWorld();
  const older = [
    await world.build(),
    await world.build({ ref: "refs/heads/topic", state: "failed" }),
    await world.build({ ref: "refs/tags/v1" }),
  ];
  await world.build();
  await world.build({ state: "failed" });
  await world.build({ ref: "refs/heads/topic", state: "failed" });
  const between = await world.build({ state: "failed" });
  await world.build({ state: "failed" });
  world.advance((KEEP_DAYS + 1) * DAY_MS);

  await world.tidy();

  const removed = await world.removed();
  expect(older.filter((id) => !removed.has(id))).toEqual([]);
  expect(removed.has(between)).toBe(true);
  expect(removed.size).toBe(5);
});

test("a file that another build uploaded too stays until that one is old as well", async () => {
  const world = await aRetentionWorld();
  await world.build({ rpm: "same" });
  world.advance((KEEP_DAYS + 1) * DAY_MS);
  await world.build({ rpm: "same" });
  const sha256 = createHash("sha256").update("same").digest("hex");

  await world.tidy();
  expect(await openArtifactFiles(join(world.dataDir, "artifacts")).find(sha256)).toBeDefined();
  world.advance((KEEP_DAYS + 1) * DAY_MS);
  await world.build();
  await world.tidy();

  expect(await openArtifactFiles(join(world.dataDir, "artifacts")).find(sha256)).toBeUndefined();
});

test("what a crash left between the record and the files goes with the next start", async () => {
  const world = await aRetentionWorld();
  const old = [await world.build({ state: "failed" }), await world.build()];
  world.advance((KEEP_DAYS + 1) * DAY_MS);
  await world.build();
  const dying = {
    removeAll: async () => await Promise.reject(new Error("the process ends here")),
  };
  await buildRetention({ ...world.deps, logs: dying })();
  expect(await world.removed()).toEqual(new Set(old));
  expect(old.filter(world.hasLog)).toEqual(old);
  expect(await world.findings()).toEqual([]);

  await buildRetention({ ...world.deps, keepBuildsDays: 0 })();

  expect(old.filter(world.hasLog)).toEqual([]);
  expect(
    await world.store.db
      .selectFrom("builds")
      .select("id")
      .where("filesGoneAt", "is not", null)
      .execute(),
  ).toHaveLength(2);
});

test("one folder that cannot be removed keeps none of the others", async () => {
  const world = await aRetentionWorld();
  const [first, second] = [await world.build(), await world.build()];
  world.advance((KEEP_DAYS + 1) * DAY_MS);
  await world.build();
  const stubborn = {
    removeAll: async (id: string) => {
      if (id === first) throw new Error("EBUSY");
      await world.logs.removeAll(id);
    },
  };

  await buildRetention({ ...world.deps, logs: stubborn })();

  expect([first, second].map(world.hasLog)).toEqual([true, false]);
});

test("an upload that its removal missed is found by the sweep of what nobody names", async () => {
  const world = await aRetentionWorld();
  const old = await world.build({ rpm: "old" });
  const sha256 = createHash("sha256").update("old").digest("hex");
  world.advance((KEEP_DAYS + 1) * DAY_MS);
  await world.build();
  await world.tidy();
  await world.upload("old");
  world.advance(2 * DAY_MS);
  const sweep = orphanSweep(world);

  for (let folder = 0; folder < 256; folder += 1) await sweep();

  expect(await world.removed()).toEqual(new Set([old]));
  expect(await openArtifactFiles(join(world.dataDir, "artifacts")).find(sha256)).toBeUndefined();
});

test("nothing outside of the folders of logs is touched", async () => {
  const world = await aRetentionWorld();
  await mkdir(join(world.dataDir, "logs", "not-a-build"), { recursive: true });
  await writeFile(join(world.dataDir, "logs", "not-a-build", "x"), "");
  await world.build();
  world.advance((KEEP_DAYS + 1) * DAY_MS);
  const newest = await world.build();

  await world.tidy();

  expect((await readdir(join(world.dataDir, "logs"))).toSorted()).toEqual(
    [newest, "not-a-build"].toSorted(),
  );
});

/** Numbers from 0 up to below `max` that depend on the seed alone. */
function random(seed: number): (max: number) => number {
  let state = seed;
  return (max) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return ((((state ^ (state >>> 13)) >>> 0) / 2 ** 32) * max) | 0;
  };
}

test.each([1, 2, 3, 4, 5, 6])(
  "whatever happened before, what is needed stays and the rest goes (seed %i)",
  async (seed) => {
    const world = await aRetentionWorld();
    const next = random(seed);
    const all: { id: string; ref: string; state: string; endedAt: number; holds: boolean }[] = [];
    for (let at = 0; at < 40; at += 1) {
      const ref =
        [MAIN, MAIN, MAIN, "refs/heads/b", "refs/heads/c", "refs/tags/v1"][next(6)] ?? MAIN;
      const state = (["passed", "failed", "failed", "running"] as const)[next(4)] ?? "passed";
      const plan = next(6) === 0 ? PUBLISHED : UNPUBLISHED;
      const id = await world.build({ ref, state, plan, rpm: `rpm ${next(20)}` });
      // What became of it: some branches are not built, and a rule may publish from others only.
      const { state: now, publish } = await world.view(id);
      const isPublished = now === "passed" && next(4) === 0;
      if (isPublished) await world.publish(id, String(at), null);
      const holds = isPublished || !isFinal(now) || publish?.state === "queued";
      all.push({ id, ref, state: now, endedAt: world.store.now(), holds });
      world.advance(next(3) * DAY_MS);
    }
    world.advance(next(KEEP_DAYS) * DAY_MS);
    const before = world.store.now() - KEEP_DAYS * DAY_MS;
    const isBranch = (ref: string): boolean => ref.startsWith("refs/heads/");
    const expected = all.filter((one, at) => {
      const newer = all.slice(at + 1).filter(({ ref }) => ref === one.ref);
      const isNewest = newer.length === 0;
      const isLastGood = one.state === "passed" && !newer.some(({ state }) => state === "passed");
      const isHeld = isBranch(one.ref) && (isNewest || isLastGood);
      return one.endedAt < before && !one.holds && !isHeld;
    });

    // In slices of three, with a new life of the server between some of them.
    for (let tick = 0; tick < 3; tick += 1) await buildRetention(world.deps, { atOnceMax: 3 })();

    const ids = expected.map(({ id }) => id);
    expect([...(await world.removed())].toSorted()).toEqual(ids.toSorted());
    expect(all.filter(({ id }) => !world.hasLog(id)).map(({ id }) => id)).toEqual(ids);
    for (const { id } of all.filter((one) => !expected.includes(one))) {
      for (const { sha256 } of (await world.view(id)).artifacts) {
        expect(existsSync(join(world.dataDir, "artifacts", sha256.slice(0, 2), sha256))).toBe(true);
      }
    }
    expect(await world.findings()).toEqual([]);
  },
);
