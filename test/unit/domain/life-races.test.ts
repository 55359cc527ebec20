import fc from "fast-check";
import { expect, test } from "vitest";
import { leaveAlone } from "../../support/simulation/happenings.ts";
import { PLANTED_BUGS } from "../../support/simulation/planted-bugs.ts";
import { RULES, type Rules } from "../../support/simulation/rules.ts";
import { World } from "../../support/simulation/world.ts";

const SEED = 20_261_122;
const ORDERS = 10_000;

type Deed = (world: World) => unknown;

/** A build from its plan to its publish; whoever does these meets whoever does those below. */
const LIFE: readonly Deed[] = [
  (world) => world.buildWorkers.ask(0, false),
  ...Array.from({ length: 4 }, () => (world: World) => world.buildWorkers.act(0, 0, 0)),
  (world) => world.publishWorkers.ask(0, false),
  (world) => world.publishWorkers.finish(0, 0, 0),
];

/** People, time and bad luck. */
const RIVALS = {
  cancel: [(world) => world.people.cancel(0), (world) => world.people.cancel(0)],
  time: [(world) => world.clock.wait(26_000), (world) => world.clock.wait(26_000)],
  worker: [(world) => world.buildWorkers.crash(0), (world) => world.buildWorkers.comeBack(0)],
  another: [
    (world) => world.buildWorkers.ask(1, false),
    (world) => world.buildWorkers.act(1, 0, 0),
  ],
  push: [(world) => world.people.push(1, 1), (world) => world.people.supersede(1)],
} as const satisfies Record<string, readonly Deed[]>;

/** All deeds of one actor follow each other; between actors any order may come. */
function races(rules: Rules) {
  const rivals = fc.subarray(Object.keys(RIVALS) as (keyof typeof RIVALS)[], { minLength: 1 });
  return fc.asyncProperty(fc.scheduler(), rivals, async (scheduler, names) => {
    const world = new World(rules);
    world.people.push(0, 1);
    const actors: readonly (readonly Deed[])[] = [LIFE, ...names.map((name) => RIVALS[name])];
    const all = actors.map(async (deeds) => {
      for (const deed of deeds) {
        await scheduler.schedule(Promise.resolve());
        deed(world);
        world.promises.check();
      }
    });
    await scheduler.waitFor(Promise.all(all));
    leaveAlone(world, false);
  });
}

test("cancel, time limit, loss and finish in ten thousand orders: exactly one final state", async () => {
  const run = await fc.check(races(RULES), { seed: SEED, numRuns: ORDERS });

  expect(run.failed, fc.defaultReportMessage(run) ?? "").toBe(false);
  expect(run.numRuns).toBe(ORDERS);
});

test.each([
  "a cancel does not wait for what runs",
  "a publish goes live after a cancel",
  "an old token is as good as the newest",
])("the orders find a server in which %s", async (name) => {
  const rules = { ...RULES, ...PLANTED_BUGS[name] };

  const run = await fc.check(races(rules), { seed: SEED, numRuns: ORDERS, endOnFailure: true });

  expect(run.failed).toBe(true);
});
