import { sql } from "kysely";
import {
  flakyScore,
  failingSince,
  FLAKY_SCORE_MIN,
  HISTORY_RUNS_MAX,
} from "../../domain/test-history.ts";
import type {
  BuildTests,
  RepoTests,
  TestFilter,
  TestReads,
  TestsSummary,
  TestView,
} from "../test-views.ts";
import { inChunks } from "./chunks.ts";
import type { TestReportRow } from "./test-tables.ts";
import type { Reader } from "./store.ts";
import type { TestChanges } from "./test-completion.ts";
import { historyOf } from "./test-history.ts";
import { FAILED_CODE_MIN, RETRIED_CODE, stateOfCode } from "./test-ids.ts";
import { addedUp, coverageOf, sumsOf, summaryOfReports } from "./test-sums.ts";

const FAILED_MAX = 200;
const FLAKY_MAX = 50;
const SLOWEST_MAX = 10;
const CHANGED_MAX = 20;
/** Candidates for flakiness: tests that failed at all within the history. */
const CANDIDATES_MAX = 1_000;

export function testReads(store: Reader): TestReads {
  return {
    ofBuild: (build, filter) => testsOfBuild(store, build, filter),
    ofRepo: (repo, branch, filter) => testsOfRepo(store, { repo, branch }, filter),
    summaryOf: (buildId) => testsSummaryOf(store, buildId),
  };
}

/** Of the attempts that count. */
async function reportsOf({ db }: Reader, buildId: string): Promise<readonly TestReportRow[]> {
  return await db
    .selectFrom("testReports")
    .innerJoin("jobs", (join) =>
      join
        .onRef("jobs.id", "=", "testReports.jobId")
        .onRef("jobs.attempt", "=", "testReports.attempt"),
    )
    .selectAll("testReports")
    .where("testReports.buildId", "=", buildId)
    .where("isComplete", "=", 1)
    .orderBy("testReports.id")
    .execute();
}

export async function testsSummaryOf(store: Reader, buildId: string): Promise<TestsSummary | null> {
  const reports = await reportsOf(store, buildId);
  if (reports.length === 0) return null;
  return summaryOfReports(reports, await coverageOf(store, reports));
}

async function testsOfBuild(
  store: Reader,
  { id, number }: { readonly id: string; readonly number: number },
  filter: TestFilter,
): Promise<BuildTests | undefined> {
  const reports = await reportsOf(store, id);
  const [first] = reports;
  if (first === undefined) return undefined;
  const scope = { branch: first.branch, upTo: number };
  const ids = reports.map((report) => report.id);
  const failed = await runsOf(store, reports, (query) =>
    query
      .where("state", ">=", FAILED_CODE_MIN)
      .orderBy("testRuns.reportId")
      .orderBy("state", "desc")
      .limit(FAILED_MAX),
  );
  const slowest = await slowestOf(store, reports);
  const flakyIds = await flakyIn(store, first.repo, scope);
  const flaky = await inChunks(flakyIds, (chunk) =>
    runsOf(store, reports, (query) => query.where("testRuns.testId", "in", chunk).limit(FLAKY_MAX)),
  );
  const listed = await listedIn(store, reports, filter);
  const shown = await withPast(store, { failed, slowest, flaky, listed }, scope);
  return {
    summary: summaryOfReports(reports, await coverageOf(store, reports)),
    failed: shown.failed.toSorted((a, b) => (b.failingSince ?? 0) - (a.failingSince ?? 0)),
    flaky: shown.flaky.toSorted(byScore),
    slowest: shown.slowest,
    listed: shown.listed.slice(0, filter.limit),
    hasMore: ids.length > 0 && listed.length > filter.limit,
  };
}

async function testsOfRepo(
  store: Reader,
  { repo, branch }: { readonly repo: string; readonly branch: string },
  filter: TestFilter,
): Promise<RepoTests | undefined> {
  const all = await store.db
    .selectFrom("testReports")
    .selectAll()
    .where("repo", "=", repo)
    .where("branch", "=", branch)
    .where("isComplete", "=", 1)
    .orderBy("number", "desc")
    .limit(10 * HISTORY_RUNS_MAX)
    .execute();
  const byBuild = [...Map.groupBy(all, ({ number }) => number)].slice(0, HISTORY_RUNS_MAX);
  const [newest] = byBuild;
  if (newest === undefined) return undefined;
  const [upTo, reports] = newest;
  const scope = { branch, upTo };
  const failing = await mostFailing(store, repo, scope);
  const flakyIds = await flakyIn(store, repo, scope);
  const changes = reports.flatMap(({ changesJson }) =>
    changesJson === null ? [] : [JSON.parse(changesJson) as TestChanges],
  );
  const parts = {
    failing: await testsById(store, failing),
    flaky: await testsById(store, flakyIds.slice(0, FLAKY_MAX)),
    slowest: await slowestOf(store, reports),
    added: await testsById(
      store,
      changes.flatMap(({ addedIds }) => addedIds).slice(0, CHANGED_MAX),
    ),
    gone: await testsById(store, changes.flatMap(({ goneIds }) => goneIds).slice(0, CHANGED_MAX)),
    listed: await listedIn(store, reports, filter),
  };
  const shown = await withPast(store, parts, scope);
  return {
    branch,
    runs: byBuild
      .map(([number, some]) => ({ number, ...addedUp(some.map(sumsOf)), ...linesOf(some) }))
      .toReversed(),
    ...shown,
    failing: shown.failing.toSorted((a, b) => failures(b) - failures(a)),
    flaky: shown.flaky.toSorted(byScore),
    listed: shown.listed.slice(0, filter.limit),
    hasMore: parts.listed.length > filter.limit,
  };
}

function linesOf(reports: readonly TestReportRow[]) {
  const told = reports.filter(({ linesTotal }) => linesTotal !== null);
  if (told.length === 0) return { linesCovered: null, linesTotal: null };
  const sum = (of: "linesCovered" | "linesTotal"): number =>
    told.reduce((all, report) => all + (report[of] ?? 0), 0);
  return { linesCovered: sum("linesCovered"), linesTotal: sum("linesTotal") };
}

function failures({ history }: TestView): number {
  return history.filter(({ state }) => state === "failed" || state === "errored").length;
}

function byScore(a: TestView, b: TestView): number {
  return b.flakyScore - a.flakyScore;
}

type RunPick = ReturnType<typeof pickFrom>;

function pickFrom({ db }: Reader, reportIds: readonly number[]) {
  return db
    .selectFrom("testRuns")
    .select(["testRuns.testId", "testRuns.reportId"])
    .where("testRuns.reportId", "in", reportIds);
}

/** First which ones, by an index and few columns; only then all that is known of them. */
async function runsOf(
  store: Reader,
  reports: readonly TestReportRow[],
  narrow: (query: RunPick) => RunPick,
): Promise<readonly TestView[]> {
  const reportIds = reports.map(({ id }) => id);
  const picked = await narrow(pickFrom(store, reportIds)).execute();
  const ids = picked.map(({ testId }) => testId);
  const rows = await inChunks(ids, (chunk) => wholeRuns(store, reportIds, chunk));
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => {
    const row = byId.get(id);
    const report = reports.find((one) => one.id === row?.reportId);
    return row === undefined || report === undefined ? [] : [viewOf(row, report)];
  });
}

async function wholeRuns({ db }: Reader, reportIds: readonly number[], testIds: readonly string[]) {
  return await db
    .selectFrom("testRuns")
    .innerJoin("tests", "tests.id", "testRuns.testId")
    .leftJoin("testFailures", (join) =>
      join
        .onRef("testFailures.reportId", "=", "testRuns.reportId")
        .onRef("testFailures.testId", "=", "testRuns.testId"),
    )
    .select([
      "tests.id",
      "tests.step",
      "tests.suite",
      "tests.className",
      "tests.name",
      "tests.file as testFile",
      "tests.firstNumber",
      "testRuns.reportId",
      "testRuns.state",
      "testRuns.durationMs",
      "testFailures.message",
      "testFailures.details",
      "testFailures.file",
      "testFailures.line",
    ])
    .where("testRuns.testId", "in", testIds)
    .where("testRuns.reportId", "in", reportIds)
    .execute();
}

function viewOf(
  { state, testFile, reportId: _reportId, ...row }: Awaited<ReturnType<typeof wholeRuns>>[number],
  { jobId, title }: TestReportRow,
): TestView {
  return {
    ...row,
    jobId,
    stepTitle: title,
    state: stateOfCode(state),
    message: row.message ?? "",
    details: row.details ?? "",
    file: row.file ?? testFile,
    history: [],
    failingSince: null,
    flakyScore: 0,
  };
}

async function slowestOf(store: Reader, reports: readonly TestReportRow[]) {
  return await runsOf(store, reports, (query) =>
    query.where("durationMs", ">", 0).orderBy("durationMs", "desc").limit(SLOWEST_MAX),
  );
}

/** What failed comes first. What a reader types means itself. */
async function listedIn(
  store: Reader,
  reports: readonly TestReportRow[],
  { query: wanted = "", limit, offset }: TestFilter,
) {
  const pattern = `%${wanted.replace(/[\\%_]/g, "\\$&")}%`;
  return await runsOf(store, reports, (query) => {
    const page = query
      .orderBy("testRuns.reportId")
      .orderBy("testRuns.state", "desc")
      .orderBy("testRuns.testId", "desc")
      .limit(limit + 1)
      .offset(offset);
    if (wanted === "") return page;
    return page.where(({ exists, selectFrom }) =>
      exists(
        selectFrom("tests")
          .select("tests.id")
          .whereRef("tests.id", "=", "testRuns.testId")
          .where(
            sql<boolean>`(tests.name like ${pattern} escape '\\' or tests."className" like ${pattern} escape '\\')`,
          ),
      ),
    );
  });
}

/** Tests as such, in no build: of those that are gone there is no newest run. */
async function testsById(store: Reader, ids: readonly string[]): Promise<readonly TestView[]> {
  const rows = await inChunks(ids, (chunk) =>
    store.db.selectFrom("tests").selectAll().where("id", "in", chunk).execute(),
  );
  return rows.map(({ id, step, suite, className, name, file, firstNumber }) => ({
    id,
    jobId: "",
    step,
    stepTitle: step,
    suite,
    className,
    name,
    state: "skipped",
    durationMs: null,
    message: "",
    details: "",
    file,
    line: null,
    history: [],
    failingSince: null,
    flakyScore: 0,
    firstNumber,
  }));
}

interface Scope {
  readonly branch: string;
  readonly upTo: number;
}

/** Adds to every test its runs on the branch, and what follows from them. */
async function withPast<T extends Record<string, readonly TestView[]>>(
  store: Reader,
  lists: T,
  scope: Scope,
): Promise<{ readonly [K in keyof T]: readonly TestView[] }> {
  const ids = new Set(Object.values(lists).flatMap((tests) => tests.map(({ id }) => id)));
  const history = await historyOf(store, ids, scope);
  const told = (test: TestView): TestView => {
    const runs = history.get(test.id) ?? [];
    const newest = runs.at(-1);
    return {
      ...test,
      // Those that were not asked for in a build are as they were last.
      state: test.jobId === "" && newest !== undefined ? newest.state : test.state,
      history: runs.map(({ number, state, isRetried, durationMs }) => {
        return { number, state, isRetried, durationMs };
      }),
      failingSince: failingSince(runs) ?? null,
      flakyScore: flakyScore(runs),
    };
  };
  const entries = Object.entries(lists).map(([name, tests]) => [name, tests.map(told)] as const);
  return Object.fromEntries(entries) as unknown as { readonly [K in keyof T]: readonly TestView[] };
}

/** How often tests failed within the history of a branch. */
async function failuresIn(store: Reader, repo: string, { branch, upTo }: Scope) {
  return await store.db
    .selectFrom("testReports")
    .innerJoin("testRuns", "testRuns.reportId", "testReports.id")
    .select(({ fn }) => ["testId", fn.countAll<number>().as("failures")])
    .where("repo", "=", repo)
    .where("branch", "=", branch)
    .where("number", "<=", upTo)
    .where("isComplete", "=", 1)
    .where("sweptAt", "is", null)
    .where("state", ">=", RETRIED_CODE)
    .groupBy("testId")
    .orderBy("failures", "desc")
    .limit(CANDIDATES_MAX)
    .execute();
}

async function mostFailing(store: Reader, repo: string, scope: Scope): Promise<readonly string[]> {
  const rows = await failuresIn(store, repo, scope);
  return rows.slice(0, CHANGED_MAX).map(({ testId }) => testId);
}

/** The flakiest first. */
async function flakyIn(store: Reader, repo: string, scope: Scope): Promise<readonly string[]> {
  const candidates = await failuresIn(store, repo, scope);
  const history = await historyOf(
    store,
    candidates.map(({ testId }) => testId),
    scope,
  );
  return [...history]
    .map(([id, runs]) => ({ id, score: flakyScore(runs) }))
    .filter(({ score }) => score >= FLAKY_SCORE_MIN)
    .toSorted((a, b) => b.score - a.score)
    .map(({ id }) => id);
}
