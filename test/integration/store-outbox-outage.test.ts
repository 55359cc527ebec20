import { expect, test } from "vitest";
import { backoffMs } from "../../src/domain/backoff.ts";
import { endJob } from "../../src/server/store/jobs.ts";
import { answerStatus, claimStatuses } from "../../src/server/store/outbox.ts";
import type { Store } from "../../src/server/store/store.ts";
import type { ReportAnswer, WantedStatus } from "../../src/shared/report-messages.ts";
import { aPush, aStore } from "../support/a-store.ts";
import { accept, aRunningJob, passed } from "../support/store-rig.ts";

type Result = ReportAnswer["result"];

const OUTAGE = { kind: "later", wholeCredential: false, isOutage: true, reason: "503" } as const;

async function answerAll(
  store: Store,
  rows: readonly WantedStatus[],
  resultOf: (row: WantedStatus) => Result,
): Promise<void> {
  await Promise.all(
    rows.map(({ id, lease, version, ...row }) => {
      const result = resultOf({ id, lease, version, ...row });
      return store.write((tx) => answerStatus(tx, id, { lease, version, result }));
    }),
  );
}

const sent = (): Result => ({ kind: "sent" });

test("after a day without the forge statuses catch up at once, the newest first", async () => {
  await using held = await aStore();
  const { store, advance } = held;
  const shas: string[] = [];
  for (let index = 0; index < 90; index += 1) {
    const sha = index.toString(16).padStart(40, "c");
    shas.push(sha);
    await accept(store, aPush({ after: sha, sha }));
    advance(60_000);
  }
  for (let passedMs = 0; passedMs < 24 * 3_600_000; passedMs += 150_000) {
    for (;;) {
      const rows = await store.write(claimStatuses);
      if (rows.length === 0) break;
      await answerAll(store, rows, ({ tries }) => ({ ...OUTAGE, afterMs: backoffMs(tries, 0.9) }));
    }
    advance(150_000);
  }

  const seen: string[] = [];
  let waitedMs = 0;
  while (seen.length < shas.length && waitedMs < 600_000) {
    const rows = await store.write(claimStatuses);
    seen.push(...rows.map(({ sha }) => sha));
    await answerAll(store, rows, sent);
    if (rows.length === 0) {
      advance(10_000);
      waitedMs += 10_000;
    }
  }

  expect(new Set(seen)).toEqual(new Set(shas));
  // One got through and brought the others forward; from then on it is newest first.
  const places = seen.slice(16).map((sha) => shas.indexOf(sha));
  expect(places).toEqual(places.toSorted((a, b) => b - a));
});

test("what was sent while an older post may still arrive is looked at once more", async () => {
  await using held = await aStore();
  const { store, advance } = held;
  const { jobId, token } = await aRunningJob(store);
  const pending = await store.write(claimStatuses);
  await answerAll(store, pending, () => ({ ...OUTAGE, afterMs: 1_000 }));
  await store.write((tx) => endJob(tx, jobId, token, { ...passed(), packages: [] }));
  await answerAll(store, await store.write(claimStatuses), sent);
  expect(await store.write(claimStatuses)).toEqual([]);

  advance(61_000);
  const checks = await store.write(claimStatuses);
  await answerAll(store, checks, sent);
  advance(3_600_000);

  expect(checks).toMatchObject([{ state: "success", isCheck: true }]);
  expect(await store.write(claimStatuses)).toEqual([]);
});

test("so is what was sent after a worker that never said what became of its post", async () => {
  await using held = await aStore();
  const { store, advance } = held;
  await aRunningJob(store);
  await store.write(claimStatuses);
  advance(31_000);

  await answerAll(store, await store.write(claimStatuses), sent);
  advance(61_000);

  expect(await store.write(claimStatuses)).toMatchObject([{ isCheck: true }]);
});

test("a status that only this repo refuses is not hurried by others that get through", async () => {
  await using held = await aStore();
  const { store } = held;
  await accept(store, aPush({ sha: "d".repeat(40), after: "d".repeat(40) }));
  const refused = { ...OUTAGE, isOutage: false, reason: "403", afterMs: 60_000 };
  await answerAll(store, await store.write(claimStatuses), () => refused);
  await accept(store, aPush({ sha: "e".repeat(40), after: "e".repeat(40) }));

  await answerAll(store, await store.write(claimStatuses), sent);

  expect(await store.write(claimStatuses)).toEqual([]);
});
