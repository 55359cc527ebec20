import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isFinal } from "../../src/domain/states.ts";
import type { ApiBuild } from "../../src/cli/api-types.ts";
import { BOMBS } from "../support/bombs.ts";
import { startTatara, type Tatara, type TestRepo } from "../support/start-tatara.ts";
import { openRecords } from "../torture/records.ts";

const SLOTS = 6;
const NEIGHBOUR_LINES = 500;
const NEIGHBOUR = `i=0; while [ $i -lt ${NEIGHBOUR_LINES} ]; do i=$((i+1)); echo "line $i"; sleep 0.02; done`;

// One Tatara and one engine for all: that they do not touch each other is what is shown.
let tatara: Tatara;
beforeAll(async () => {
  tatara = await startTatara({ env: { TATARA_BUILD_SLOTS: String(SLOTS) } });
  const neighbour = await repoOf("neighbour", NEIGHBOUR);
  const bombs = await Promise.all(
    Object.entries(BOMBS).map(([name, { run, limits }]) => repoOf(name, run, limits)),
  );
  await neighbour.push();
  for (const bomb of bombs) await bomb.push();
});
afterAll(() => tatara[Symbol.asyncDispose]());

async function repoOf(name: string, run: string, limits?: string): Promise<TestRepo> {
  const more = limits === undefined ? "" : `, ${limits}`;
  const step = `{ run: ${JSON.stringify(run)}${more} }`;
  return await tatara.createRepo(`acme/${name}`, {
    ".tatara.yml": `image: tatara/base\ntest:\n  bomb: ${step}\n`,
  });
}

async function ended(name: string): Promise<ApiBuild> {
  for (;;) {
    const found = await tatara.build(`acme/${name}#1`).catch(() => undefined);
    if (found !== undefined && isFinal(found.state)) return found;
    await delay(100);
  }
}

describe.concurrent("a step that hurts is bounded, and named", () => {
  test.each(Object.entries(BOMBS))("%s", async (name, { ends, log }) => {
    const build = await ended(name);

    if (ends === "passed") expect(build).toMatchObject({ state: "passed", failure: null });
    else {
      expect(build).toMatchObject({ state: "failed", failure: { code: ends.code } });
      expect(build.failure?.title).toMatch(ends.title);
      const page = await (await tatara.fetch(new URL(build.url).pathname)).text();
      expect(page).toContain(ends.code);
    }
    if (log !== undefined) expect(await tatara.log(`acme/${name}#1`, "bomb")).toMatch(log);
  });
});

test("the well-behaved repo beside them passes, with its whole log", async () => {
  await tatara.until("acme/neighbour#1", "passed");

  const lines = (await tatara.log("acme/neighbour#1", "bomb")).match(/^line \d+$/gm) ?? [];
  expect(lines).toHaveLength(NEIGHBOUR_LINES);
});

test("each took one attempt, and nothing of any of them goes on running", async () => {
  using records = openRecords(tatara.dataDir);
  expect(records.all("jobs").filter(({ attempt }) => attempt !== 1)).toEqual([]);

  await tatara.untilNothingIsLeft();
});
