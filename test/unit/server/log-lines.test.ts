import { expect, test } from "vitest";
import { logLines, ROWS_MAX } from "../../../src/server/log-lines.ts";
import { memoryLogFiles } from "../../support/memory-read-store.ts";

const LOG = { buildId: "b", jobId: "j", attempt: 1, step: "unit" };

function aLog(text: string) {
  const logs = memoryLogFiles();
  logs.set(LOG, text);
  return { logs, lines: logLines(logs) };
}

const numbered = (count: number): string =>
  Array.from({ length: count }, (_, index) => `line ${index + 1}\n`).join("");

test("any rows can be read, wherever they are", async () => {
  const { lines } = aLog(numbered(1_000));

  const answer = await lines.read(LOG, { from: 700, count: 2 });

  expect(answer).toMatchObject({ from: 700, totalRows: 1_000, totalLines: 1_000 });
  expect(answer.rows).toEqual([
    { line: 701, isContinued: false, html: "line 701" },
    { line: 702, isContinued: false, html: "line 702" },
  ]);
});

test("the last rows are there before their line has ended", async () => {
  const { lines } = aLog(`${numbered(300)}half`);

  const answer = await lines.read(LOG, { tail: 2 });

  expect(answer.rows.map(({ html }) => html)).toEqual(["line 300", "half"]);
  expect(answer.totalRows).toBe(301);
});

test.each([1, 255, 256, 257, 512, 999, 1_000])("line %i is found", async (line) => {
  const { lines } = aLog(numbered(1_000));

  const { rows } = await lines.read(LOG, { aroundLine: line, count: 11 });

  expect(rows.map((row) => row.line)).toContain(line);
});

test("a line behind one that fills many rows is found by its number", async () => {
  const { lines } = aLog(`one\n${"x".repeat(9_000_000)}\nthree\n`);

  const { rows } = await lines.read(LOG, { aroundLine: 3, count: 3 });

  expect(rows.at(-1)).toEqual({ line: 3, isContinued: false, html: "three" });
});

test("a colour that was switched on long before is still on", async () => {
  const { lines } = aLog(`\u001b[31m${numbered(600)}`);

  const { rows } = await lines.read(LOG, { from: 599, count: 1 });

  expect(rows[0]?.html).toBe('<span class="f1">line 600</span>');
});

test("a log that grows is read on from where it ended", async () => {
  const { logs, lines } = aLog("one\ntw");
  await lines.read(LOG, { tail: 1 });

  await logs.append(LOG, 6, new TextEncoder().encode("o\nthree\n"));
  const answer = await lines.read(LOG, { from: 0, count: 10 });

  expect(answer.rows.map(({ html }) => html)).toEqual(["one", "two", "three"]);
});

test("readers at the same time read the same log", async () => {
  const { lines } = aLog(numbered(50_000));

  const answers = await Promise.all(
    [0, 1, 2, 3].map((index) => lines.read(LOG, { from: index * 10_000, count: 1 })),
  );

  expect(answers.map(({ rows }) => rows[0]?.line)).toEqual([1, 10_001, 20_001, 30_001]);
});

test("no log and no rows are an empty answer", async () => {
  const { lines } = aLog("");

  expect(await lines.read(LOG, { tail: 5 })).toMatchObject({ rows: [], totalRows: 0 });
  expect(await lines.read(LOG, { aroundLine: 9, count: 5 })).toMatchObject({ rows: [] });
  expect(await lines.read(LOG, { from: 100, count: 5 })).toMatchObject({ rows: [] });
});

test("an answer is bounded, however much is asked for", async () => {
  const { lines } = aLog(`${"&".repeat(16_000)}\n`.repeat(2_000));

  const many = await lines.read(LOG, { from: 0, count: 1_000_000 });

  expect(many.rows.length).toBeLessThanOrEqual(ROWS_MAX);
  expect(JSON.stringify(many).length).toBeLessThan(1.5 * 1024 * 1024);
});
