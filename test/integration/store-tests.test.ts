import { expect, test } from "vitest";
import type { FailureCard } from "../../src/shared/message-parts.ts";
import { endJob } from "../../src/server/store/jobs.ts";
import type { Store } from "../../src/server/store/store.ts";
import { testReads } from "../../src/server/store/test-reads.ts";
import { recordReports } from "../../src/server/store/test-writes.ts";
import { aStore } from "../support/a-store.ts";
import { aFailure, aReport, aResult, aTestedBuild } from "../support/test-reports.ts";

const ALL = { limit: 100, offset: 0 };
const EMPTY = "greets an empty name";

const readBuild = async (store: Store, build: { id: string; number: number }, filter = ALL) => {
  const found = await testReads(store).ofBuild(build, filter);
  if (found === undefined) throw new Error("The build has no tests.");
  return found;
};

const readRepo = async (store: Store) => {
  const found = await testReads(store).ofRepo("acme/hello", "refs/heads/main", ALL);
  if (found === undefined) throw new Error("The repo has no tests.");
  return found;
};

const titles = (tests: readonly { readonly name: string }[]) => tests.map(({ name }) => name);

const cardOf = (title: string): FailureCard => ({
  kind: "code",
  code: "STEP_FAILED",
  step: "test",
  title,
  excerpt: "",
  file: null,
  line: null,
  logLine: null,
  hint: null,
  confidence: "high",
  evidence: "report",
  problems: null,
});

const endFailed = (store: Store, job: { jobId: string; token: string }, title: string) =>
  store.write((tx) =>
    endJob(tx, job.jobId, job.token, {
      state: "failed",
      reason: null,
      failure: cardOf(title),
      packages: [],
    }),
  );

test("a build's tests have their sums, and what failed comes first with its reason", async () => {
  await using held = await aStore();
  const { store } = held;
  const build = await aTestedBuild(store, [
    aResult(),
    aFailure(EMPTY),
    aResult({ name: "shouts", state: "skipped", durationMs: null }),
    aResult({ name: "is slow", durationMs: 900 }),
  ]);

  const { summary, failed, slowest, listed } = await readBuild(store, build);

  expect(summary).toMatchObject({ passed: 2, failed: 1, errored: 0, skipped: 1, durationMs: 920 });
  expect(summary.steps).toMatchObject([{ step: "test", files: ["out/junit.xml"], changes: null }]);
  expect(failed).toMatchObject([
    { name: EMPTY, details: "a stack", file: "test/greet.test.ts", line: 41, failingSince: 1 },
  ]);
  expect(titles(slowest)[0]).toBe("is slow");
  expect(titles(listed)[0]).toBe(EMPTY);
  expect(listed).toHaveLength(4);
});

test("parts sent twice, and in two kinds of worse, count once", async () => {
  await using held = await aStore();
  const { store } = held;
  const job = await aTestedBuild(store, [], { report: { isLast: false } });
  const lease = { jobId: job.jobId, token: job.token };
  const first = aReport([aResult(), aFailure("sometimes")], { part: 1, isLast: false });
  const last = aReport([aResult({ name: "sometimes" }), aResult({ name: "b" })], { part: 2 });

  for (const message of [first, first, last, last, first]) {
    await recordReports(store, lease, "test", message);
  }
  const { summary, failed } = await readBuild(store, job);

  expect(summary).toMatchObject({ passed: 2, failed: 1 });
  // Failed and passed in one run: nothing but chance lies between.
  expect(failed).toMatchObject([{ name: "sometimes", flakyScore: 0.5 }]);
});

test("a stale worker's reports change nothing, and half a report is none", async () => {
  await using held = await aStore();
  const { store } = held;
  const job = await aTestedBuild(store, [aResult()], { report: { isLast: false } });

  const answer = await recordReports(
    store,
    { jobId: job.jobId, token: "other" },
    "test",
    job.message,
  );

  expect(answer).toBeUndefined();
  expect(await testReads(store).ofBuild(job, ALL)).toBeUndefined();
});

test("a test fails since the first build after its last pass, also for its job's card", async () => {
  await using held = await aStore();
  const { store } = held;
  for (const tests of [[aFailure(EMPTY)], [aResult({ name: EMPTY })], [aFailure(EMPTY)]]) {
    await aTestedBuild(store, tests);
  }
  const other = await aTestedBuild(store, [aFailure(EMPTY)], { ref: "refs/heads/other" });
  const build = await aTestedBuild(store, [aFailure(EMPTY), aFailure("newly broken")]);

  const { failed } = await readBuild(store, build);
  await endFailed(store, build, `test > ${EMPTY}`);
  await endFailed(store, other, `test > ${EMPTY}`);
  const card = async (id: string) =>
    JSON.parse(
      (await store.db.selectFrom("builds").selectAll().where("id", "=", id).executeTakeFirst())
        ?.failureJson ?? "{}",
    ) as FailureCard;

  expect(failed).toMatchObject([
    { name: "newly broken", failingSince: 5, firstNumber: 5 },
    { name: EMPTY, failingSince: 3, firstNumber: 1 },
  ]);
  expect(failed[1]?.history.map(({ state }) => state)).toEqual([
    "failed",
    "passed",
    "failed",
    "failed",
  ]);
  expect((await card(build.id)).newSince).toBe(3);
  // The first time on its own branch.
  expect((await card(other.id)).newSince).toBeUndefined();
});

test("both results for one commit are flaky; a break that was mended is not", async () => {
  await using held = await aStore();
  const { store } = held;
  const sha = "d".repeat(40);
  const results = [
    [aResult({ name: "flips" }), aResult({ name: "breaks" })],
    [aFailure("flips"), aFailure("breaks")],
    [aResult({ name: "flips" }), aResult({ name: "breaks" })],
  ];
  await aTestedBuild(store, results[0] ?? [], { sha });
  // The same commit, built again.
  await aTestedBuild(store, [aFailure("flips"), aResult({ name: "breaks" })], { sha });
  await aTestedBuild(store, results[1] ?? []);
  const last = await aTestedBuild(store, results[2] ?? []);

  expect(titles((await readBuild(store, last)).flaky)).toEqual(["flips"]);
  const repo = await readRepo(store);
  expect(titles(repo.flaky)).toEqual(["flips"]);
  expect(titles(repo.failing)).toEqual(["flips", "breaks"]);
  expect(repo.runs.map(({ failed }) => failed)).toEqual([0, 1, 2, 0]);
});

test("a pass at a second try is a pass, and flaky", async () => {
  await using held = await aStore();
  const { store } = held;
  const build = await aTestedBuild(store, [
    aResult(),
    aResult({ name: "at last", message: "no at first" }),
  ]);

  const { summary, flaky } = await readBuild(store, build);

  expect(summary).toMatchObject({ passed: 2, failed: 0 });
  expect(flaky).toMatchObject([
    { name: "at last", state: "passed", flakyScore: 0.5, history: [{ isRetried: true }] },
  ]);
});

test("tests that came and went are told against the build before", async () => {
  await using held = await aStore();
  const { store } = held;
  await aTestedBuild(store, [aResult({ name: "old" }), aResult({ name: "kept" })]);
  const build = await aTestedBuild(store, [aResult({ name: "kept" }), aResult({ name: "new" })]);

  const { summary } = await readBuild(store, build);
  const repo = await readRepo(store);

  expect(summary.steps[0]?.changes).toEqual({ against: 1, added: 1, gone: 1 });
  expect(titles(repo.added)).toEqual(["new"]);
  expect(titles(repo.gone)).toEqual(["old"]);
});

test("coverage has a trend within its branch", async () => {
  await using held = await aStore();
  const { store } = held;
  const covered = (linesCovered: number) => ({
    report: { coverage: { linesCovered, linesTotal: 200 } },
  });
  await aTestedBuild(store, [], covered(150));
  const build = await aTestedBuild(store, [], covered(160));

  const summary = await testReads(store).summaryOf(build.id);

  expect(summary?.coverage).toEqual({
    linesCovered: 160,
    linesTotal: 200,
    before: { linesCovered: 150, linesTotal: 200 },
  });
});

test("of a branch the newest 30 builds keep their tests, and names nobody has go with them", async () => {
  await using held = await aStore();
  const { store } = held;
  const first = await aTestedBuild(store, [aResult(), aResult({ name: "gone for good" })]);
  for (let build = 2; build <= 32; build += 1) await aTestedBuild(store, [aResult()]);

  const { summary, listed } = await readBuild(store, first);
  const names = await store.db.selectFrom("tests").select("name").execute();
  const kept = await store.db.selectFrom("testRuns").select("reportId").distinct().execute();

  expect(summary).toMatchObject({ passed: 2, steps: [{ isSwept: true }] });
  expect(listed).toEqual([]);
  expect(titles(names)).toEqual(["greets by name"]);
  expect(kept).toHaveLength(30);
});

test("a filter means itself, and pages go on where the last one ended", async () => {
  await using held = await aStore();
  const { store } = held;
  const names = ["a_b", "axb", "a%b", "c"];
  const build = await aTestedBuild(
    store,
    names.map((name) => aResult({ name })),
  );

  const like = async (query: string) =>
    titles((await readBuild(store, build, { ...ALL, query } as typeof ALL)).listed).toSorted();
  const first = await readBuild(store, build, { limit: 3, offset: 0 });
  const second = await readBuild(store, build, { limit: 3, offset: 3 });

  expect(await like("a_b")).toEqual(["a_b"]);
  expect(await like("%")).toEqual(["a%b"]);
  expect([first.hasMore, second.hasMore]).toEqual([true, false]);
  expect(titles([...first.listed, ...second.listed]).toSorted()).toEqual(names.toSorted());
});

test("a build has no more than 100,000 tests, and says so", { timeout: 120_000 }, async () => {
  await using held = await aStore();
  const { store } = held;
  const job = await aTestedBuild(store, [], { report: { isLast: false } });
  await store.db
    .updateTable("testReports")
    .set({ received: 99_999 })
    .where("buildId", "=", job.buildId)
    .execute();
  const last = aReport([aResult({ name: "fits" }), aResult({ name: "does not" })], { part: 1 });

  await recordReports(store, { jobId: job.jobId, token: job.token }, "test", last);
  const { summary, listed } = await readBuild(store, job);

  expect(titles(listed)).toEqual(["fits"]);
  expect(summary.steps[0]?.problems).toEqual([
    "a build may have 100,000 tests: the rest is left out",
  ]);
});
