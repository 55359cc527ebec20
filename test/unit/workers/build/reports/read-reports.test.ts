import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { expect, test } from "vitest";
import { InfraFault } from "../../../../../src/domain/faults.ts";
import { reportsMessage, type ReportsMessage } from "../../../../../src/shared/build-messages.ts";
import { createLookMemory } from "../../../../../workers/build/reports/look-memory.ts";
import { openReportBudget } from "../../../../../workers/build/reports/report-budget.ts";
import {
  readReports,
  type ReadReportsOptions,
} from "../../../../../workers/build/reports/read-reports.ts";
import { ANY_SOURCE } from "../../../../../workers/build/reports/source-tree.ts";

const STARTED_AT = 1_800_000_000_000;
const sample = (name: string) =>
  readFileSync(new URL(`../../../../fixtures/reports/${name}`, import.meta.url));
const oneTest = (name: string, inside = "") =>
  `<testsuite name="s"><testcase name="${name}">${inside}</testcase></testsuite>`;

interface File {
  readonly path: string;
  readonly content?: string | Buffer;
  readonly at?: number;
  readonly linkTo?: string;
}

/** As the engine gives it: in one folder, or one file, named as the last part of what was asked for. */
function tarOf(root: string, files: readonly File[]): NodeJS.ReadableStream {
  const tar = pack();
  const first = root === "" ? "workspace" : (root.split("/").at(-1) ?? "");
  tar.entry({ name: `${first}/`, type: "directory" });
  for (const { path, content = "", at = STARTED_AT, linkTo } of files) {
    if (root !== "" && path !== root && !path.startsWith(`${root}/`)) continue;
    const name = `${first}${path.slice(root.length).replace(/^(?=[^/])/, "/")}`;
    const mtime = new Date(at);
    if (linkTo === undefined) tar.entry({ name, mtime }, content);
    else tar.entry({ name, mtime, type: "symlink", linkname: linkTo });
  }
  tar.finalize();
  return Readable.from(tar);
}

/** Reads from a workspace with these files; tells which tars were asked for. */
async function readFrom(files: readonly File[], some: Partial<ReadReportsOptions> = {}) {
  const sent: ReportsMessage[] = [];
  const asked: string[] = [];
  const found = await readReports({
    files: {
      openPath: (path) => {
        asked.push(path);
        const isThere = path === "" || files.some((file) => file.path.startsWith(path));
        return Promise.resolve(isThere ? tarOf(path, files) : undefined);
      },
      openChanges: () => {
        asked.push("changes");
        return Promise.resolve(tarOf("", files));
      },
    },
    patterns: null,
    projectPath: "",
    startedAt: STARTED_AT,
    hasPassed: true,
    memory: null,
    tree: ANY_SOURCE,
    budget: openReportBudget(),
    send: (message) => void sent.push(reportsMessage.parse(message)),
    ...some,
  });
  return { found, sent, asked };
}

test("a step that left nothing costs one look at what it changed, and no message", async () => {
  const { found, sent, asked } = await readFrom([{ path: "dist/app.js" }]);

  expect(found.files).toEqual([]);
  expect(found.warnings).toEqual([]);
  expect(sent).toEqual([]);
  expect(asked).toEqual(["changes"]);
});

test("where the engine cannot tell what changed, a plain step that passed is not looked at", async () => {
  const files = [{ path: "junit.xml", content: oneTest("a") }];
  const openChanges = () => Promise.resolve(undefined);
  const openPath = () => Promise.resolve(tarOf("", files));

  const passed = await readFrom(files, { files: { openChanges, openPath } });
  const failed = await readFrom(files, { files: { openChanges, openPath }, hasPassed: false });

  expect(passed.found.files).toEqual([]);
  expect(failed.found.files).toEqual(["junit.xml"]);
});

test("usual names are found anywhere, but not in dependencies, nor what an earlier step wrote", async () => {
  const { found } = await readFrom([
    { path: "junit.xml", content: oneTest("a") },
    { path: "a/b/junit-unit.xml", content: oneTest("b") },
    { path: "target/TEST-com.acme.A.xml", content: oneTest("c") },
    { path: "node_modules/x/junit.xml", content: oneTest("no") },
    { path: ".git/junit.xml", content: oneTest("no") },
    { path: "old/junit.xml", content: oneTest("no"), at: STARTED_AT - 60_000 },
    { path: "coverage/lcov.info", content: "SF:a\nLF:4\nLH:3\n" },
    { path: "link/junit.xml", linkTo: "../../etc/passwd" },
  ]);

  expect(found.files).toEqual([
    "junit.xml",
    "a/b/junit-unit.xml",
    "target/TEST-com.acme.A.xml",
    "coverage/lcov.info",
  ]);
  expect(found.counts).toEqual({ passed: 3, failed: 0, errored: 0, skipped: 0 });
  expect(found.coverage).toEqual({ linesCovered: 3, linesTotal: 4 });
  expect(found.warnings).toEqual([]);
});

test("named reports are fetched by their folder alone, and start at the project", async () => {
  const files = [
    { path: "api/out/junit.xml", content: oneTest("a"), at: 0 },
    { path: "api/out/deep/more.tap", content: "1..1\nok 1 - b\n" },
    { path: "api/out/slow.xml", content: oneTest("no") },
  ];
  const { found, asked } = await readFrom(files, {
    patterns: ["out/junit.xml", "out/**/*.tap", "!out/slow.xml"],
    projectPath: "api",
  });

  expect(found.files).toEqual(["api/out/junit.xml", "api/out/deep/more.tap"]);
  expect(asked).toEqual(["api/out"]);
});

test("one named file is one small tar", async () => {
  const one: File = { path: "out/junit.xml", content: oneTest("a") };
  const openPath = (path: string) => {
    const tar = pack();
    tar.entry({ name: path.split("/").at(-1) ?? "", mtime: new Date(STARTED_AT) }, oneTest("a"));
    tar.finalize();
    return Promise.resolve(Readable.from(tar));
  };
  const openChanges = () => Promise.reject(new Error("not asked for"));

  const { found } = await readFrom([one], {
    patterns: ["out/junit.xml"],
    files: { openPath, openChanges },
  });

  expect(found.files).toEqual(["out/junit.xml"]);
});

test("nothing found is a warning that says what there is", async () => {
  const files = [{ path: "out/results.xml", content: oneTest("a") }, { path: "pom.xml" }];

  const { found, sent } = await readFrom(files, { patterns: ["out/junit.xml"] });

  expect(found.warnings).toEqual(["no file matches out/junit.xml; found: out/results.xml"]);
  expect(sent).toMatchObject([{ part: 0, isLast: true, tests: [], problems: found.warnings }]);
});

test("a named report that is a link or no report is told, and the others count", async () => {
  const { found } = await readFrom(
    [
      { path: "out/a.xml", linkTo: "/etc/passwd" },
      { path: "out/b.xml", content: "<html></html>" },
      { path: "out/c.xml", content: oneTest("c") },
    ],
    { patterns: ["out/*.xml"] },
  );

  expect(found.counts.passed).toBe(1);
  expect(found.warnings).toEqual([
    "out/a.xml is a link: only files are read",
    "out/b.xml: it is neither JUnit XML, TAP, Cobertura XML nor lcov",
  ]);
});

test("failed tests of a command that exited 0 are a warning", async () => {
  const files = [{ path: "junit.xml", content: sample("pytest.xml") }];

  const passed = await readFrom(files);
  const failed = await readFrom(files, { hasPassed: false });

  expect(passed.found.warnings).toEqual([
    "4 tests failed, and the command ended with exit code 0: the exit code decides",
  ]);
  expect(failed.found.warnings).toEqual([]);
  expect(failed.found.failed.map(({ name }) => name)).toContain("test_greets_an_empty_name");
});

test("many tests go in parts, each one that the server takes", async () => {
  const long = "x".repeat(12_000);
  const tests = Array.from({ length: 5_100 }, (_, index) => `<testcase name="t${index}"/>`);
  const failing = Array.from(
    { length: 100 },
    (_, index) => `<testcase name="f${index}"><failure>${long}</failure></testcase>`,
  );
  const content = `<testsuite>${tests.join("")}${failing.join("")}</testsuite>`;

  const { sent } = await readFrom([{ path: "junit.xml", content }]);

  expect(sent.map(({ part }) => part)).toEqual(sent.map((_, index) => index));
  expect(sent.map(({ isLast }) => isLast)).toEqual(sent.map((_, at) => at === sent.length - 1));
  expect(sent.flatMap((part) => part.tests)).toHaveLength(5_200);
  for (const part of sent) expect(JSON.stringify(part).length).toBeLessThan(3_000_000);
});

test("what is over the job's budget is left out and told, once", async () => {
  const budget = { bytesLeft: 2_000, testsLeft: 3 };
  const many = `<testsuite>${'<testcase name="t"/>'.repeat(5)}</testsuite>`;

  const { found } = await readFrom(
    [
      { path: "junit-a.xml", content: many },
      { path: "junit-b.xml", content: " ".repeat(3_000) },
    ],
    { budget },
  );

  expect(found.counts.passed).toBe(3);
  expect(found.warnings).toEqual([
    "a build may have 100,000 tests: the rest is left out",
    "junit-b.xml: the reports of a build may have 32 MiB: this file is left out",
  ]);
});

test("an engine that breaks off is its own fault, and no report's", async () => {
  const broken = () =>
    Promise.resolve(
      Readable.from(
        (async function* () {
          yield Buffer.alloc(512);
          await Promise.resolve();
          throw new InfraFault("ENGINE_FAILED", "gone");
        })(),
      ),
    );
  const reading = readFrom([], { files: { openChanges: broken, openPath: broken } });

  await expect(reading).rejects.toMatchObject({ code: "ENGINE_FAILED" });
});

test("a step that never leaves a report is looked at seldom, but whenever it fails", async () => {
  const looks = createLookMemory();
  const memory = { looks, step: "acme/hello lint" };
  const run = async (files: readonly File[], hasPassed = true) =>
    (await readFrom(files, { memory, hasPassed })).asked.length;

  const first: number[] = [];
  for (let count = 0; count < 25; count += 1) first.push(await run([]));
  const failed = await run([], false);
  const withReport = await run([{ path: "junit.xml", content: oneTest("a") }], false);
  const after = [await run([]), await run([]), await run([]), await run([])];

  expect(first.slice(0, 4)).toEqual([1, 1, 1, 0]);
  expect(first.filter((looked) => looked === 1)).toHaveLength(4);
  expect([failed, withReport]).toEqual([1, 1]);
  expect(after).toEqual([1, 1, 1, 0]);
});
