import { expect, test } from "vitest";
import { hotQuery } from "../../src/server/store/hot-query.ts";
import { aPush, aStore } from "../support/a-store.ts";
import { accept } from "../support/store-rig.ts";

test("a hot query answers for the values of each time it is asked", async () => {
  await using held = await aStore();
  const { store } = held;
  for (const repo of ["acme/one", "acme/two"]) await accept(store, aPush({ repo }));
  const found = hotQuery((db, given: { readonly repo: string; readonly rerunOf: string | null }) =>
    db
      .selectFrom("builds")
      .select(["repo", "state"])
      .where("repo", "=", given.repo)
      .where("state", "=", "queued")
      .where("rerunOf", "is", given.rerunOf)
      .limit(5),
  );

  const asked = (repo: string, rerunOf: string | null) => found(store, { repo, rerunOf });
  expect(await asked("acme/one", null)).toEqual([{ repo: "acme/one", state: "queued" }]);
  expect(await asked("acme/two", null)).toEqual([{ repo: "acme/two", state: "queued" }]);
  expect(await asked("acme/two", "b-1")).toEqual([]);
});

test("a hot query that works with a value, where it should only place it, is refused", async () => {
  await using held = await aStore();
  const late = hotQuery((db, given: { readonly now: number }) =>
    db
      .selectFrom("builds")
      .select("id")
      .where("createdAt", "<", given.now - 1),
  );

  await expect(late(held.store, { now: 5 })).rejects.toThrow("now is not known yet");
});
