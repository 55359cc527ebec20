import { expect, test } from "vitest";
import { insertBuild, type NewBuild } from "../../src/server/store/new-builds.ts";
import { insertPublish } from "../../src/server/store/new-publishes.ts";
import { isInPushOrder } from "../../src/server/store/publish-order.ts";
import type { Store } from "../../src/server/store/store.ts";
import { aStore } from "../support/a-store.ts";

async function aBuild(store: Store, some: Partial<NewBuild> = {}): Promise<string> {
  const row = { name: "acme/hello", forge: "github", defaultBranch: "main", createdAt: 0 } as const;
  await store.db
    .insertInto("repos")
    .values({ ...row, nextNumber: 1, cacheEpoch: 0 })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const sha = "a".repeat(40);
  const made = await store.write((tx) =>
    insertBuild(tx, {
      repo: "acme/hello",
      forge: "github",
      event: "push",
      sha,
      ref: "refs/heads/main",
      before: sha,
      after: sha,
      message: "",
      authorName: "",
      pusher: "dev1",
      trust: "trusted",
      defaultBranch: "main",
      isReady: true,
      rerunOf: null,
      end: null,
      ...some,
    }),
  );
  return made.build.id;
}

const aPublish = (store: Store, buildId: string) =>
  store.write((tx) =>
    insertPublish(tx, {
      kind: "build",
      buildId,
      channels: ["dev"],
      requestJson: null,
      by: "push",
      note: "",
    }),
  );

async function ready(store: Store): Promise<readonly string[]> {
  const rows = await store.db
    .selectFrom("publishes")
    .select("buildId")
    .where("state", "=", "queued")
    .where(isInPushOrder)
    .execute();
  return rows.map(({ buildId }) => buildId ?? "");
}

const set = (store: Store, id: string, state: "passed" | "failed") =>
  store.db.updateTable("builds").set({ state }).where("id", "=", id).execute();

test("a newer build of a branch publishes after the older ones, or once they cannot", async () => {
  await using test = await aStore();
  const { store } = test;
  const [older, newer] = [await aBuild(store), await aBuild(store)];
  await aPublish(store, newer);
  expect(await ready(store)).toEqual([]);
  await aPublish(store, older);
  expect(await ready(store)).toEqual([older]);
  // Under way: the newer one may share its generation.
  await store.db
    .updateTable("publishes")
    .set({ state: "running" })
    .where("buildId", "=", older)
    .execute();
  expect(await ready(store)).toEqual([newer]);
  await set(store, older, "failed");
  expect(await ready(store)).toEqual([newer]);
});

test.each([
  ["of another branch", { ref: "refs/heads/next" }],
  ["that never publishes", { mayPublish: false }],
  ["that waits for approval", { waitReason: "waits" }],
  ["that was asked for by hand", { event: "manual", trust: "manual" }],
  ["that is a rerun", { event: "rerun" }],
] as const)("an older build %s holds nobody up", async (_name, some) => {
  await using test = await aStore();
  const { store } = test;
  await aBuild(store, some);
  const newer = await aBuild(store);
  await aPublish(store, newer);
  expect(await ready(store)).toEqual([newer]);
});
