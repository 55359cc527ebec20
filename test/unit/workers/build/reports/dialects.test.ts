import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readReport } from "../../../../support/read-report.ts";

const FOLDER = new URL("../../../../fixtures/reports/", import.meta.url);
const NAMES = readdirSync(FOLDER).filter((name) => /\.(?:xml|tap|info)$/.test(name));

const linesOf = (text: string): number => (text === "" ? 0 : text.split("\n").length);

test.each(NAMES)("%s is read as its tool meant it, in whatever pieces it comes", (name) => {
  const bytes = readFileSync(new URL(name, FOLDER));
  const expected: unknown = JSON.parse(
    readFileSync(new URL(`expected/${name}.json`, FOLDER), "utf8"),
  );

  for (const piece of [1 << 20, 7]) {
    const found = readReport(bytes, { piece });
    const tests = found.tests.map(({ details, ...rest }) => {
      return { ...rest, detailsLines: linesOf(details) };
    });
    expect({ ...found, tests }).toEqual(expected);
  }
});

test("what failed in TAP is told without the keys that say nothing of it", () => {
  const bytes = readFileSync(new URL("node.tap", FOLDER));

  const { details = "" } = readReport(bytes).tests.find(({ state }) => state === "failed") ?? {};

  expect(details.split("\n").slice(0, 3)).toEqual([
    "'Hello, ' == 'Hello, stranger'",
    "expected: 'Hello, stranger'",
    "actual: 'Hello, '",
  ]);
  expect(details).not.toMatch(/duration_ms|failureType|location|error:/);
});

test("every sample says what wrote it", () => {
  const readme = readFileSync(new URL("README.md", FOLDER), "utf8");

  for (const name of NAMES) expect(readme).toContain(`\`${name}\``);
});
