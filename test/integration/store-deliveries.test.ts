import { expect, test } from "vitest";
import { findBuild, skipBuild } from "../../src/server/store/builds.ts";
import { recordIgnored, recordPush } from "../../src/server/store/deliveries.ts";
import { endJob } from "../../src/server/store/jobs.ts";
import { claimStatuses } from "../../src/server/store/outbox.ts";
import { aPush, aStore, anIntake } from "../support/a-store.ts";
import { aRunningJob, accept, passed } from "../support/store-rig.ts";

test("a delivery that comes a hundred times at once makes one build", async () => {
  await using held = await aStore();
  const push = aPush();
  const named = { deliveryId: "d-1", bodyDigest: "x" };

  const answers = await Promise.all(
    Array.from({ length: 100 }, () => accept(held.store, push, named)),
  );

  expect(answers.filter(({ result }) => result.kind === "accepted")).toHaveLength(1);
  expect(answers.filter(({ result }) => result.kind === "duplicate")).toHaveLength(99);
  const { count } = await held.store.db
    .selectFrom("builds")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  expect(count).toBe(1);
});

test("the same body under a new delivery id is known, since the signature does not cover the id", async () => {
  await using held = await aStore();
  const push = aPush();
  await accept(held.store, push, { deliveryId: "d-1", bodyDigest: "same" });

  const { result } = await accept(held.store, push, { deliveryId: "d-2", bodyDigest: "same" });

  expect(result).toMatchObject({ kind: "duplicate", number: 1 });
});

test("the same push under another delivery leaves a row and no second build, unless the first one errored", async () => {
  await using held = await aStore();
  const { store } = held;
  const push = aPush();
  const first = await accept(store, push);

  const again = await accept(store, push);
  await store.db.updateTable("builds").set({ state: "errored" }).execute();
  const afterError = await accept(store, push);

  expect(again.result).toMatchObject({ kind: "duplicate", buildId: first.made?.build.id });
  expect(afterError.result).toMatchObject({ kind: "accepted", number: 2 });
  const rows = await store.db.selectFrom("deliveries").select("disposition").execute();
  expect(rows.map(({ disposition }) => disposition)).toEqual(["accepted", "duplicate", "accepted"]);
});

test("a delivery that was ignored is looked at again when it comes again", async () => {
  await using held = await aStore();
  const { store } = held;
  const push = aPush();
  const named = { deliveryId: "once", bodyDigest: "body" };
  const { forge, repo } = push;
  const facts = { forge, repo, event: "push", reason: "the repo is outside TATARA_REPOS" } as const;
  await store.write((tx) => recordIgnored(tx, { ...facts, ...named }));

  // The operator has changed the setting and pressed "Redeliver".
  const again = await accept(store, push, named);
  const third = await accept(store, push, named);

  expect(again.result).toMatchObject({ kind: "accepted", number: 1 });
  expect(third.result).toMatchObject({ kind: "duplicate", number: 1 });
});

test("one broken work of a group fails alone", async () => {
  await using held = await aStore();
  const { store } = held;
  const broken = store.write(() => Promise.reject(new Error("broken")));
  const sound = accept(store);

  await expect(broken).rejects.toThrow("broken");
  expect((await sound).result.kind).toBe("accepted");
});

test("a deleted branch is a skipped row without a status", async () => {
  await using held = await aStore();
  const { made } = await accept(held.store, aPush({ after: "0".repeat(40), sha: undefined }));

  expect(made?.build).toMatchObject({ state: "skipped", reason: "branch deleted", sha: null });
  expect(await held.store.write(claimStatuses)).toEqual([]);
});

test("what is over quota is a cancelled row with an error status, never a success", async () => {
  await using held = await aStore();
  const { store } = held;
  const record = () =>
    store.write((tx) => recordPush(tx, anIntake(aPush()), { waitingBuildsMax: 2 }));
  await record();
  await record();

  const third = await record();

  expect(third.made?.build).toMatchObject({ state: "cancelled" });
  expect(third.made?.build.reason).toMatch(/over quota/);
  const statuses = await store.write(claimStatuses);
  expect(statuses.find(({ sha }) => sha === third.made?.build.sha)?.state).toBe("error");
});

test("a push that asks for no build hides no failure of the same commit", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store);
  await store.write((tx) => endJob(tx, jobId, token, { ...passed(), state: "failed" }));
  const sha = (await findBuild(store, buildId))?.sha ?? "";

  const { made } = await accept(store, aPush({ after: sha, ref: "refs/heads/topic" }));

  // Its own file may name the branch; until it is read nothing is said of it.
  expect(made?.build).toMatchObject({ state: "queued", sha });
  expect(made?.statusId).toBeUndefined();
  const build = await findBuild(store, made?.build.id ?? "");
  if (build === undefined) throw new Error("The build is gone.");
  await store.write((tx) => skipBuild(tx, build, "branch topic is not in when"));
  expect(await store.write(claimStatuses)).toMatchObject([{ sha, state: "failure" }]);
});
