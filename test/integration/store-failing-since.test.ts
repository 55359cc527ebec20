import { expect, test } from "vitest";
import { withNewSince } from "../../src/server/store/failing-since.ts";
import { endJob } from "../../src/server/store/jobs.ts";
import type { Store } from "../../src/server/store/store.ts";
import type { FailureCard } from "../../src/shared/message-parts.ts";
import { aPipeline, aPlanMessage, aTest } from "../support/a-pipeline.ts";
import { aPush, aStore } from "../support/a-store.ts";
import { aRunningJob, passed } from "../support/store-rig.ts";

function aCard(title: string): FailureCard {
  return {
    kind: "code",
    code: "STEP_FAILED",
    step: "unit",
    title,
    excerpt: "",
    file: "test/greet.test.ts",
    line: 41,
    logLine: null,
    hint: null,
    confidence: "high",
    evidence: "log",
    problems: null,
  };
}

/** One build that ends so, on `main` unless told; its number. */
async function ended(store: Store, title: string | null, ref = "refs/heads/main"): Promise<number> {
  const plan = aPlanMessage(aPipeline({ tests: [aTest()] })); // It passes without a publish.
  const { buildId, jobId, token } = await aRunningJob(store, { push: aPush({ ref }), plan });
  const end =
    title === null
      ? { ...passed(), packages: [] }
      : { state: "failed" as const, reason: null, failure: aCard(title), packages: [] };
  await store.write((tx) => endJob(tx, jobId, token, end));
  const { number } = await store.db
    .selectFrom("builds")
    .select("number")
    .where("id", "=", buildId)
    .executeTakeFirstOrThrow();
  return number;
}

const sinceOf = async (store: Store, number: number, title: string, ref = "refs/heads/main") =>
  (await withNewSince(store, { repo: "acme/hello", ref, number }, aCard(title))).newSince;

test("the first build of a branch that failed so is named until one passes", async () => {
  await using held = await aStore();
  const { store } = held;
  await ended(store, "unit > greets");
  await ended(store, null);
  const first = await ended(store, "unit > greets");
  const second = await ended(store, "unit > greets");

  expect(await sinceOf(store, second, "unit > greets")).toBe(first);
  expect(await sinceOf(store, first, "unit > greets")).toBeNull();
  expect(await sinceOf(store, second, "unit > something else")).toBeNull();
});

test("a figure that changed is no other failure, another branch is", async () => {
  await using held = await aStore();
  const { store } = held;
  const first = await ended(store, "unit > counts 4 of 9");
  await ended(store, "unit > counts 5 of 9", "refs/heads/other");
  const third = await ended(store, "unit > counts 6 of 9");

  expect(await sinceOf(store, third, "unit > counts 6 of 9")).toBe(first);
  expect(await sinceOf(store, third, "unit > counts 6 of 9", "refs/heads/unknown")).toBeNull();
});
