import { expect, test } from "vitest";
import { runGraph } from "../../../../workers/build/step-graph.ts";
import type { GraphNode } from "../../../../workers/build/step-graph.ts";

interface Some {
  readonly needs?: readonly string[];
  readonly after?: readonly string[];
  readonly takesTurn?: boolean;
  /** Goes on at once. */
  readonly goesOn?: boolean;
  /** What it says when it is let go. */
  readonly passes?: boolean;
  readonly throws?: Error;
}

/** Nodes that end when the test says so. */
function world(nodes: Readonly<Record<string, Some>>) {
  const told: string[] = [];
  const gates = new Map(
    Object.keys(nodes).map((id) => [id, Promise.withResolvers<void>()] as const),
  );
  const list: GraphNode[] = Object.entries(nodes).map(([id, some]) => ({
    id,
    needs: some.needs ?? [],
    after: some.after ?? [],
    takesTurn: some.takesTurn ?? true,
    skip: (missing) => void told.push(`${id} skipped for ${missing}`),
    run: async (goOn) => {
      told.push(`${id} begins`);
      if (some.goesOn === true) goOn();
      await gates.get(id)?.promise;
      if (some.throws) throw some.throws;
      told.push(`${id} ends`);
      return some.passes ?? true;
    },
  }));
  return {
    told,
    list,
    letGo: async (...ids: readonly string[]): Promise<void> => {
      for (const id of ids) gates.get(id)?.resolve();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

const quiet = { atOnce: 2, onError: () => undefined };

test("nodes begin in their order, a few at once, and those without a turn beside them", async () => {
  const { told, list, letGo } = world({ image: { takesTurn: false }, a: {}, b: {}, c: {} });

  const running = runGraph(list, quiet);
  await letGo();
  expect(told).toEqual(["image begins", "a begins", "b begins"]);

  await letGo("b");
  expect(told.slice(3)).toEqual(["b ends", "c begins"]);
  await letGo("a", "c", "image");
  await running;
});

test("one that did not pass stops those that need it, directly or not, and nothing else", async () => {
  const { told, list, letGo } = world({
    lint: { passes: false },
    unit: {},
    e2e: { needs: ["lint"] },
    load: { needs: ["e2e", "unit"] },
    docs: { needs: ["unit"] },
  });

  const running = runGraph(list, quiet);
  await letGo("lint");
  expect(told).toContain("e2e skipped for lint");
  expect(told).toContain("load skipped for e2e");
  await letGo("unit", "docs");
  await running;

  expect(told).toContain("docs ends");
});

test("what needs a node begins when that goes on, and its turn is free, though it has not ended", async () => {
  const { told, list, letGo } = world({
    a: { goesOn: true },
    b: { needs: ["a"] },
    c: {},
  });

  const running = runGraph(list, { ...quiet, atOnce: 1 });
  await letGo();
  expect(told).toEqual(["a begins", "b begins"]);

  await letGo("b");
  await letGo("c");
  expect(told.slice(2)).toEqual(["b ends", "c begins", "c ends"]);
  await letGo("a");
  await running;
  expect(told.at(-1)).toBe("a ends");
});

test("one that went on and did not pass after all lets run what has begun, and nothing more", async () => {
  const { told, list, letGo } = world({
    a: { goesOn: true, passes: false },
    b: { needs: ["a"] },
    c: { needs: ["a", "b"] },
  });

  const running = runGraph(list, quiet);
  await letGo("a");
  await letGo("b");
  await running;

  expect(told).toEqual(["a begins", "b begins", "a ends", "c skipped for a", "b ends"]);
});

test("what only has to be over may have failed", async () => {
  const { told, list, letGo } = world({
    flaky: { passes: false },
    package: { after: ["flaky"] },
  });

  const running = runGraph(list, quiet);
  await letGo();
  expect(told).toEqual(["flaky begins"]);
  await letGo("flaky", "package");
  await running;

  expect(told).toContain("package ends");
});

test("what a node throws is thrown once the others have ended, and nothing new begins", async () => {
  const errors: unknown[] = [];
  const lost = new Error("the engine is gone");
  const { told, list, letGo } = world({ a: { throws: lost }, b: {}, c: { needs: ["b"] } });

  const running = runGraph(list, { atOnce: 2, onError: (err) => void errors.push(err) });
  const outcome = running.catch((err: unknown) => err);
  await letGo("a");
  expect(errors).toEqual([lost]);
  await letGo("b");

  expect(await outcome).toBe(lost);
  expect(told).not.toContain("c begins");
});

test("a circle is a bug that is told, not a wait without end", async () => {
  const { list } = world({ a: { needs: ["b"] }, b: { needs: ["a"] } });

  await expect(runGraph(list, quiet)).rejects.toThrow("circle");
});
