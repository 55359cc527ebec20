import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  findBroken,
  newTally,
  replay,
  replayLine,
  type KeptSchedule,
} from "../../support/simulation/happenings.ts";
import { PLANTED_BUGS } from "../../support/simulation/planted-bugs.ts";
import { RULES } from "../../support/simulation/rules.ts";

const SEED = 20_261_122;
const SCHEDULES = 10_000;
/** Enough to find each planted bug many times over. */
const SCHEDULES_PER_BUG = 5_000;

const FILE = new URL("../../fixtures/simulation/regressions.json", import.meta.url);
const KEPT = JSON.parse(readFileSync(FILE, "utf8")) as readonly KeptSchedule[];

test("ten thousand schedules of crashes, delays and repetitions break no promise", () => {
  const tally = newTally();

  const found = findBroken({ seed: SEED, count: SCHEDULES }, tally);

  // Keep what is printed here in test/fixtures/simulation/regressions.json.
  const told = found && `${replayLine(SEED, found)}\n${JSON.stringify(found.case)}`;
  expect(told).toBeUndefined();
  expect(tally.schedules).toBe(SCHEDULES);
  expect(tally.builds).toBeGreaterThan(SCHEDULES);
  expect(tally.faults).toBeGreaterThan(SCHEDULES);
});

test.each(Object.keys(PLANTED_BUGS))("the simulation finds a server in which %s", (name) => {
  const rules = { ...RULES, ...PLANTED_BUGS[name] };

  const found = findBroken({ seed: SEED, count: SCHEDULES_PER_BUG, rules, isShrunk: false });

  expect(found?.what).toMatch(/^I\d: /);
});

test.each(KEPT)("a schedule that once broke a promise keeps it: $name", (kept) => {
  expect(() => replay(kept)).not.toThrow();
});

test.each(KEPT.filter(({ bug }) => bug !== undefined))("it still finds its bug: $bug", (kept) => {
  const rules = { ...RULES, ...PLANTED_BUGS[kept.bug ?? ""] };

  expect(() => replay(kept, rules)).toThrow(/^I\d: /);
});
