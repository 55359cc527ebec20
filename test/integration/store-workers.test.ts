import { expect, test } from "vitest";
import { expireLeases, handBackJob } from "../../src/server/store/attempts.ts";
import { claimJob } from "../../src/server/store/jobs.ts";
import { readStore } from "../../src/server/store/read.ts";
import { noteGoodbye } from "../../src/server/store/resume.ts";
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
import { accept, aQueuedPublish, aRunningJob } from "../support/store-rig.ts";

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

test("whoever drains a worker again without a note has not taken the first one back", async () => {
  await using held = await aStore();
  const { store } = held;
  await store.write((tx) => noteWorker(tx, "build", claim));
  for (const note of ["disk swap", null]) {
    await store.write((tx) => drainWorker(tx, "w-1", { note, untilAt: store.now() }));
  }
  expect(await readWorkers(store)).toMatchObject([{ drainNote: "disk swap" }]);
});

test("a publish that waits while its worker is drained, or not heard of, says so", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId } = await aQueuedPublish(store);
  const read = readStore(store, { liveSince: () => 1, seenAt: () => new Map() });
  const said = async () => {
    const view = await read.buildById(buildId);
    return [view?.publish?.waiting ?? null, view?.reason];
  };
  const ask = () => store.write((tx) => noteWorker(tx, "publish", { ...claim, worker: "p-1" }));
  await ask();
  expect(await said()).toEqual([null, null]);

  await store.write((tx) => drainWorker(tx, "p-1", { note: null, untilAt: store.now() }));
  const drained = "the publish worker is drained: p-1; tatara worker resume p-1";
  expect(await said()).toEqual([drained, drained]);

  await store.write((tx) => resumeWorker(tx, "p-1"));
  held.advance(180_000);
  const away = "no publish worker is online since 3 min";
  expect(await said()).toEqual([away, away]);
  await ask();
  expect(await said()).toEqual([null, null]);
});

test("each lost attempt keeps why it was lost, and which of its steps have a log", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store);
  await store.db
    .updateTable("steps")
    .set({ state: "running", startedAt: store.now() })
    .where("name", "=", "checkout")
    .execute();
  await store.write((tx) => handBackJob(tx, jobId, token));
  await store.write((tx) => claimJob(tx, "w2", "token-2"));
  await store.write((tx) => noteGoodbye(tx, "w2"));
  held.advance(10 * 60_000);
  await store.write(expireLeases);

  const read = readStore(store, { liveSince: () => 1, seenAt: () => new Map() });
  const view = await read.buildById(buildId);

  expect(view?.jobs[0]?.lostAttempts).toMatchObject([
    { attempt: 1, isHandedBack: true, reason: "its worker was stopped", steps: ["checkout"] },
    { attempt: 2, isHandedBack: false, reason: "worker w2 did not come back", steps: [] },
  ]);
  expect(view?.jobs[0]).toMatchObject({ state: "queued", attempt: 2 });
});
