import { expect, test } from "vitest";
import { createLanes } from "../../workers/report/lanes.ts";

function worker() {
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const work = (name: string) => async () => {
    started.push(name);
    await new Promise<void>((resolve) => ends.set(name, resolve));
  };
  const end = async (name: string) => {
    ends.get(name)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { started, work, end };
}

test("only one piece of work per key is under way, in the order it came", async () => {
  const lanes = createLanes(10);
  const { started, work, end } = worker();

  lanes.add("a", work("a1"));
  lanes.add("a", work("a2"));
  lanes.add("b", work("b1"));
  expect(started).toEqual(["a1", "b1"]);
  await end("a1");

  expect(started).toEqual(["a1", "b1", "a2"]);
});

test("no more run at once than allowed, and a blocked key blocks no other", async () => {
  const lanes = createLanes(2);
  const { started, work, end } = worker();

  for (const name of ["a1", "a2", "b1", "c1"]) lanes.add(name.slice(0, 1), work(name));
  expect(started).toEqual(["a1", "b1"]);
  await end("b1");

  expect(started).toEqual(["a1", "b1", "c1"]);
});

test("idle comes once all has ended", async () => {
  const lanes = createLanes(1);
  const { work, end } = worker();
  let isIdle = false;

  lanes.add("a", work("a1"));
  lanes.add("b", work("b1"));
  const idle = lanes.idle().then(() => {
    isIdle = true;
  });
  await end("a1");
  expect(isIdle).toBe(false);
  await end("b1");
  await idle;

  expect(isIdle).toBe(true);
});
