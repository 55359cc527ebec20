import { expect, test } from "vitest";
import { claimJob } from "../../src/server/store/jobs.ts";
import { openStore } from "../../src/server/store/store.ts";
import {
  drainWorker,
  forgetGone,
  noteWorker,
  readWorkers,
  resumeWorker,
  takeBackOverdue,
} from "../../src/server/store/workers.ts";
import { PROTOCOL } from "../../src/shared/protocol.ts";
import { aStore } from "../support/a-store.ts";
import { accept } from "../support/store-rig.ts";

const claim = { worker: "w-1", protocol: PROTOCOL };
const MINUTES_60 = 60 * 60_000;

test("a worker stays drained when the server starts again, until it is resumed", async () => {
  await using held = await aStore();
  const { store, path } = held;
  await store.write((tx) => noteWorker(tx, "build", claim));
  const wish = { note: "disk swap", untilAt: store.now() + MINUTES_60 };
  expect(await store.write((tx) => drainWorker(tx, "w-1", wish))).toBe(true);

  const again = await openStore(path, store);
  try {
    expect(await again.write((tx) => noteWorker(tx, "build", claim))).toEqual({ mayClaim: false });
    expect(await again.write((tx) => resumeWorker(tx, "w-1"))).toBe(true);
    expect(await again.write((tx) => noteWorker(tx, "build", claim))).toEqual({ mayClaim: true });
  } finally {
    await again.close();
  }
});

test("what a drained worker still runs after its hour is queued again, and does not count", async () => {
  await using held = await aStore();
  const { store } = held;
  await accept(store);
  await store.write((tx) => noteWorker(tx, "build", claim));
  await store.write((tx) => claimJob(tx, "w-1", "a-token"));
  const untilAt = store.now() + MINUTES_60;
  await store.write((tx) => drainWorker(tx, "w-1", { note: null, untilAt }));

  held.advance(MINUTES_60 - 1);
  expect((await store.write(takeBackOverdue)).jobIds).toEqual([]);
  held.advance(1);
  expect((await store.write(takeBackOverdue)).jobIds).toHaveLength(1);

  const [job] = await store.db.selectFrom("jobs").selectAll().execute();
  expect(job).toMatchObject({ state: "queued", countedAttempts: 0, leaseTokenHash: null });
  expect(await readWorkers(store)).toMatchObject([{ id: "w-1", running: [] }]);
  expect((await store.write(takeBackOverdue)).jobIds).toEqual([]);
});

test("who was never heard of cannot be drained", async () => {
  await using held = await aStore();
  const wish = { note: null, untilAt: 0 };

  expect(await held.store.write((tx) => drainWorker(tx, "w-1", wish))).toBe(false);
  expect(await held.store.write((tx) => resumeWorker(tx, "w-1"))).toBe(false);
});

test("a worker that nobody has heard of for a month is forgotten, drained or not", async () => {
  await using held = await aStore();
  const { store } = held;
  await store.write((tx) => noteWorker(tx, "build", claim));
  await store.write((tx) => drainWorker(tx, "w-1", { note: null, untilAt: store.now() }));
  const monthMs = 30 * 24 * 3_600_000;
  held.advance(monthMs);
  await store.write((tx) => noteWorker(tx, "build", { ...claim, worker: "w-2" }));
  await store.write(forgetGone);
  expect((await readWorkers(store)).map(({ id }) => id)).toEqual(["w-1", "w-2"]);

  held.advance(1);
  await store.write(forgetGone);

  expect((await readWorkers(store)).map(({ id }) => id)).toEqual(["w-2"]);
});
