import { expect, test } from "vitest";
import { keptContainers } from "../../../../workers/build/kept-containers.ts";
import type { Container } from "../../../../workers/build/engine.ts";

const never = new AbortController().signal;

test("a worker keeps the last few containers, each for half an hour", async () => {
  let now = 1_000;
  const told: string[] = [];
  const container = (id: string) =>
    ({
      id,
      keepUntil: async (at: number) => void told.push(`${id} until ${at}`),
      remove: async () => void told.push(`${id} removed`),
    }) as unknown as Container;
  const kept = keptContainers(() => now, 2);

  expect(await kept.keep(container("a"), never)).toBe(1_801_000);
  await kept.keep(container("b"), never);
  expect(told).toEqual(["a until 1801000", "b until 1801000"]);
  await kept.keep(container("c"), never);
  expect(told.slice(2)).toEqual(["c until 1801000", "a removed"]);

  // What has expired meanwhile is the reaper's.
  now = 2_000_000;
  await kept.keep(container("d"), never);
  expect(told.slice(4)).toEqual(["d until 3800000"]);
});
