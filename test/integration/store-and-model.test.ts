import { expect, test } from "vitest";
import { isFinal } from "../../src/domain/states.ts";
import { aStore } from "../support/a-store.ts";
import { besideStore } from "../support/simulation/beside-store.ts";
import { randomOf } from "../torture/random.ts";

const SEEDS = Array.from({ length: 6 }, (_none, index) => index + 1);
const STEPS = 300;

test.each(SEEDS)("the store does what the rules decide, event by event (seed %i)", async (seed) => {
  await using held = await aStore();
  const both = besideStore(held, randomOf(seed, "beside"));
  for (let done = 0; done < STEPS; done += 1) {
    await both.step();
    expect(await both.differences(), `after ${done + 1} events`).toEqual([]);
  }

  const states = both.model.builds.map(({ life }) => life.build.state);
  // A life in which nothing came of anything would prove nothing.
  expect(states.filter(isFinal).length).toBeGreaterThan(3);
});
