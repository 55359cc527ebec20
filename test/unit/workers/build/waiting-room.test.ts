import { expect, test } from "vitest";
import { waitingRoom } from "../../../../workers/build/waiting-room.ts";

/** Things to make, each made when the test says so. */
function supplier(count: number) {
  const begun: PromiseWithResolvers<void>[] = [];
  return {
    begun,
    begin: (): Promise<void> | undefined => {
      if (begun.length === count) return undefined;
      const making = Promise.withResolvers<void>();
      begun.push(making);
      return making.promise;
    },
    made: async (index: number): Promise<void> => {
      begun[index]?.resolve();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test("a few are made at once, and no more than may wait while their image is a guess", async () => {
  const room = waitingRoom();
  const things = supplier(20);

  room.fill(things.begin);
  for (const index of [0, 1, 2, 3]) await things.made(index);
  expect(things.begun).toHaveLength(4);

  room.give();
  expect(things.begun).toHaveLength(5);
});

test("once the image is certain more may wait, however often that is said", async () => {
  const room = waitingRoom();
  const things = supplier(20);

  room.fill(things.begin);
  room.widen();
  room.widen();
  expect(things.begun).toHaveLength(4);
  for (let index = 0; index < 8; index += 1) await things.made(index);

  expect(things.begun).toHaveLength(8);
});

test("places that one image does not need go to the next", async () => {
  const room = waitingRoom();
  const first = supplier(3);
  const second = supplier(3);

  room.fill(first.begin);
  room.fill(second.begin);
  expect(second.begun).toHaveLength(1);

  await first.made(0);
  room.give();
  expect(second.begun).toHaveLength(2);
});

test("after one that could not be made the room makes no more of its own accord", async () => {
  const room = waitingRoom();
  const things = supplier(20);

  room.fill(things.begin);
  things.begun[0]?.reject(new Error("no"));
  things.begun[0]?.promise.catch(() => undefined);
  await things.made(1);
  room.widen();

  expect(things.begun).toHaveLength(5);
});
