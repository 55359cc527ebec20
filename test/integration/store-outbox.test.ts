import { expect, test } from "vitest";
import { rerunBuild } from "../../src/server/store/builds.ts";
import { endJob } from "../../src/server/store/jobs.ts";
import { answerStatus, claimStatuses } from "../../src/server/store/outbox.ts";
import { readStore } from "../../src/server/store/read.ts";
import { type ReportAnswer } from "../../src/shared/report-messages.ts";
import { aStore } from "../support/a-store.ts";
import { aRunningJob, accept, passed } from "../support/store-rig.ts";

test("a status answered for an older wish does not end the newer one", async () => {
  await using held = await aStore();
  const { store } = held;
  const { jobId, token } = await aRunningJob(store);
  const [row] = await store.write(claimStatuses);
  if (row === undefined) throw new Error("Nothing to say.");
  await store.write((tx) => endJob(tx, jobId, token, { ...passed(), packages: [] }));

  const answer = { lease: row.lease, version: row.version, result: { kind: "sent" } } as const;
  await store.write((tx) => answerStatus(tx, row.id, answer));

  expect(await store.write(claimStatuses)).toMatchObject([{ id: row.id, state: "success" }]);
});

test("a wish that a forge will never take does not end a later one", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store);
  const refuse = async () => {
    const [row] = await store.write(claimStatuses);
    if (row === undefined) throw new Error("Nothing to say.");
    const result = { kind: "terminal", reason: "422: No commit found" } as const;
    return async () => {
      const answer = { lease: row.lease, version: row.version, result };
      await store.write((tx) => answerStatus(tx, row.id, answer));
    };
  };
  // GitHub's webhook may be earlier than its commit.
  const refusePending = await refuse();
  await store.write((tx) => endJob(tx, jobId, token, { ...passed(), packages: [] }));
  await refusePending();

  const refuseFinal = await refuse();
  await refuseFinal();

  expect(await store.write(claimStatuses)).toEqual([]);
  const { statusesWaiting } = await readStore(store, { liveSince: () => 0 }).counts();
  expect(statusesWaiting).toBe(0);
  await store.write((tx) => rerunBuild(tx, buildId, "ops"));
  expect(await store.write(claimStatuses)).toMatchObject([{ state: "pending" }]);
});

test("a status that was under way does not end the pause that its forge asks for", async () => {
  await using held = await aStore();
  const { store } = held;
  await accept(store);
  await accept(store);
  await accept(store);
  const [limited, sent, third] = await store.write(claimStatuses);
  const answer = async (row: typeof sent, result: ReportAnswer["result"]) => {
    if (row === undefined) throw new Error("Nothing to say.");
    const { id, lease, version } = row;
    await store.write((tx) => answerStatus(tx, id, { lease, version, result }));
  };
  const pause = { afterMs: 60_000, wholeCredential: true, reason: "rate limit" } as const;
  await answer(limited, { kind: "later", ...pause });
  await answer(sent, { kind: "sent" });
  await answer(third, { kind: "later", ...pause, afterMs: 0 });

  expect(await store.write(claimStatuses)).toEqual([]);
  held.advance(60_000);
  expect(await store.write(claimStatuses)).toHaveLength(2);
});

test("a refused credential parks its forge and tries a single row later", async () => {
  await using held = await aStore();
  const { store } = held;
  await accept(store);
  await accept(store);
  const rows = await store.write(claimStatuses);
  for (const { id, lease, version } of rows) {
    const result = { kind: "parked", reason: "401" } as const;
    await store.write((tx) => answerStatus(tx, id, { lease, version, result }));
  }

  expect(await store.write(claimStatuses)).toEqual([]);
  held.advance(60_000);
  const probe = await store.write(claimStatuses);
  expect(probe).toHaveLength(1);
  const { parkedForges } = await readStore(store, { liveSince: () => 0 }).counts();
  expect(parkedForges).toEqual([{ forge: "github", reason: "401" }]);
});
