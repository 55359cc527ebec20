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
  const kept = keptContainers({ now: () => now, earlier: async () => [], max: 2 });

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

test("what an earlier life of the worker kept gives way first", async () => {
  const told: string[] = [];
  const remove = (id: string) => async () => void told.push(`${id} removed`);
  const container = (id: string) =>
    ({ keepUntil: async () => undefined, remove: remove(id) }) as unknown as Container;
  const earlier = async () => [
    { until: 500, remove: remove("expired") },
    { until: 9_000, remove: remove("old") },
    { until: 9_500, remove: remove("newer") },
  ];
  const kept = keptContainers({ now: () => 1_000, earlier, max: 2 });

  await kept.keep(container("a"), never);
  expect(told).toEqual(["old removed"]);
  await kept.keep(container("b"), never);
  expect(told.slice(1)).toEqual(["newer removed"]);
});

test("an engine that could not tell what there is is asked again", async () => {
  let asked = 0;
  const earlier = async () => {
    asked += 1;
    if (asked === 1) throw new Error("The engine does not answer.");
    return [];
  };
  const kept = keptContainers({ now: () => 1_000, earlier });
  const container = { keepUntil: async () => undefined } as unknown as Container;

  await expect(kept.keep(container, never)).rejects.toThrow("does not answer");
  expect(await kept.keep(container, never)).toBe(1_801_000);
});
