import { expect, test } from "vitest";
import { endJob } from "../../src/server/store/jobs.ts";
import { answerStatus, claimStatuses } from "../../src/server/store/outbox.ts";
import { readStore } from "../../src/server/store/read.ts";
import type { ReportAnswer } from "../../src/shared/report-messages.ts";
import { noteWorker } from "../../src/server/store/workers.ts";
import { PROTOCOL } from "../../src/shared/protocol.ts";
import { aPush, aStore, type TestStore } from "../support/a-store.ts";
import { aQueuedPublish, aRunningJob, accept, claim, passed } from "../support/store-rig.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const readOf = ({ store }: TestStore) => readStore(store, { liveSince: () => 0 });
const countsOf = (held: TestStore) => readOf(held).counts();

/** A poster takes all that is due and is answered so. */
async function answerAll({ store }: TestStore, result: ReportAnswer["result"]): Promise<number> {
  const rows = await store.write(claimStatuses);
  for (const { id, lease, version } of rows) {
    await store.write((tx) => answerStatus(tx, id, { lease, version, result }));
  }
  return rows.length;
}

const REFUSED = { kind: "terminal", reason: "404: Not Found" } as const;

test("a status that was refused for good is counted for 7 days, and told at its build", async () => {
  await using held = await aStore();
  const { made } = await accept(held.store);
  if (made === undefined) throw new Error("No build.");
  expect((await countsOf(held)).refusedStatuses).toBeNull();

  await answerAll(held, REFUSED);

  const { refusedStatuses, statusesWaiting } = await countsOf(held);
  const last = { repo: "acme/hello", number: 1, reason: "404: Not Found" };
  expect(refusedStatuses).toEqual({ count: 1, last });
  expect(statusesWaiting).toBe(0);
  const view = await readOf(held).buildById(made.build.id);
  expect(view?.refusedStatus).toMatchObject({ state: "pending", reason: "404: Not Found" });
  held.advance(7 * DAY_MS);
  expect((await countsOf(held)).refusedStatuses).toBeNull();
});

test("a status that was refused is told no more once a later one is taken", async () => {
  await using held = await aStore();
  const { buildId, jobId, token } = await aRunningJob(held.store);
  await answerAll(held, REFUSED);
  await held.store.write((tx) => endJob(tx, jobId, token, { ...passed(), packages: [] }));

  await answerAll(held, { kind: "sent" });

  expect((await countsOf(held)).refusedStatuses).toBeNull();
  expect((await readOf(held).buildById(buildId))?.refusedStatus).toBeNull();
});

test("a status that nobody posts for ten minutes is told, with what came of its last try", async () => {
  await using held = await aStore();
  await accept(held.store);
  held.advance(10 * MINUTE_MS);
  expect((await countsOf(held)).stuckStatuses).toBeNull();

  held.advance(1);
  expect((await countsOf(held)).stuckStatuses).toMatchObject({ repo: "acme/hello", problem: null });
  const broken = { afterMs: 1, wholeCredential: false, reason: "502: Bad Gateway" } as const;
  await answerAll(held, { kind: "later", ...broken });
  expect((await countsOf(held)).stuckStatuses).toMatchObject({ problem: "502: Bad Gateway" });

  // Told by itself: everything of the forge waits for another credential.
  held.advance(1);
  await answerAll(held, { kind: "parked", reason: "401: Bad credentials" });
  expect((await countsOf(held)).stuckStatuses).toBeNull();
});

test("a publish that nobody takes for ten minutes is told, and whether a worker is there", async () => {
  await using held = await aStore();
  const { store } = held;
  await aQueuedPublish(store);
  held.advance(10 * MINUTE_MS);
  expect((await countsOf(held)).stuckPublishes).toBeNull();

  held.advance(1);
  expect((await countsOf(held)).stuckPublishes).toMatchObject({ hasWorker: false });
  const asks = { worker: "p1", protocol: { lowest: PROTOCOL.lowest, highest: PROTOCOL.highest } };
  await store.write((tx) => noteWorker(tx, "publish", asks));
  expect((await countsOf(held)).stuckPublishes).toMatchObject({ hasWorker: true });

  await claim(store, "p-token");
  expect((await countsOf(held)).stuckPublishes).toBeNull();
});

test("a publish that waits for an older build of its branch is not stuck", async () => {
  await using held = await aStore();
  const { store } = held;
  const older = await aRunningJob(store, { token: "older" });
  await aQueuedPublish(store, aPush({ after: "c".repeat(40), sha: "c".repeat(40) }));
  held.advance(20 * MINUTE_MS);

  expect((await countsOf(held)).stuckPublishes).toBeNull();
  await store.write((tx) => endJob(tx, older.jobId, older.token, { ...passed(), packages: [] }));
  expect((await countsOf(held)).stuckPublishes).not.toBeNull();
});

test("while a credential is refused statuses wait 7 days, and end then, the untried ones too", async () => {
  await using held = await aStore();
  await accept(held.store);
  await accept(held.store, aPush({ repo: "acme/other" }));
  await answerAll(held, { kind: "parked", reason: "401" });
  held.advance(7 * DAY_MS);
  expect(await answerAll(held, { kind: "parked", reason: "401" })).toBe(1);
  expect((await countsOf(held)).statusesWaiting).toBe(2);

  held.advance(MINUTE_MS);
  expect(await answerAll(held, { kind: "parked", reason: "401" })).toBe(1);

  const { statusesWaiting, refusedStatuses } = await countsOf(held);
  expect(statusesWaiting).toBe(0);
  expect(refusedStatuses).toMatchObject({
    count: 2,
    last: { reason: "Given up after 7 days: 401" },
  });
});
