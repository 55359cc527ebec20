import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { fewAtATime } from "../../../../workers/build/docker/few-at-a-time.ts";

const ITEMS = Array.from({ length: 2_000 }, (_none, at) => at);

test("thousands of items are asked about a few at a time, and answered in their order", async () => {
  let open = 0;
  let openMax = 0;
  const made = await fewAtATime(ITEMS, async (item) => {
    open += 1;
    openMax = Math.max(openMax, open);
    await turn();
    open -= 1;
    return item * 2;
  });

  expect(made).toEqual(ITEMS.map((item) => item * 2));
  expect(openMax).toBe(8);
});

test("the first failure is thrown, and hardly anything is begun after it", async () => {
  let begun = 0;
  const failing = fewAtATime(ITEMS, async (item) => {
    begun += 1;
    await turn();
    if (item === 3) throw new Error("The engine is away.");
  });

  await expect(failing).rejects.toThrow("The engine is away.");
  await turn();
  expect(begun).toBeLessThan(30);
});
