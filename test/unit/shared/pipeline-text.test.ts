import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CommitTree } from "../../../src/domain/pipeline.ts";
import type { PipelineProblem } from "../../../src/domain/pipeline-problem.ts";
import { parsePipelineFile, readPipeline } from "../../../src/shared/pipeline-file.ts";
import { formatProblems } from "../../../src/shared/pipeline-problems.ts";

const TREE = treeOf("Dockerfile", "README.md", "hello.spec");

function treeOf(...files: readonly string[]): CommitTree {
  return { has: (path) => files.includes(path), files: () => files, shortSha: "3f2a9c1" };
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function parse(text: string, tree: CommitTree = TREE): ReturnType<typeof parsePipelineFile> {
  return parsePipelineFile(bytesOf(text), tree);
}

/** `1:8 IMAGE_PATH`, for each problem. */
function codesOf(text: string, tree: CommitTree = TREE): readonly string[] {
  return parse(text, tree).problems.map(({ line, column, code }) => `${line}:${column} ${code}`);
}

describe("YAML that a parser would let pass", () => {
  test.each([
    ["an anchor", "test: &a make\n", "1:7 YAML_ALIAS"],
    ["a merge key", "test:\n  <<: make\n", "2:3 YAML_ALIAS"],
    ["a standard tag", "test: !!binary aGk=\n", "1:7 YAML_TAG"],
    ["a directive", "%YAML 1.1\n---\ntest: yes\n", "1:1 YAML_SYNTAX"],
    ["a second document after an end mark", "test: make\n...\ntest: make\n", "3:1 YAML_DOCUMENTS"],
    ["the same key in other quotes", 'test: make\n"test": make\n', "2:1 YAML_DUPLICATE_KEY"],
    ["a key that is a list", "? [a, b]\n: make\n", "1:3 YAML_SYNTAX"],
    ["no key", ": make\n", "1:1 YAML_SYNTAX"],
    ["NUL by an escape", 'test: "make \\0"\n', "1:7 FILE_ENCODING"],
    ["half a character by an escape", 'test: "make \\ud800"\n', "1:7 FILE_ENCODING"],
    ["an escape sequence for terminals", "test: make \u001b[2J\n", "1:12 FILE_ENCODING"],
    ["a list", "- make\n", "1:1 VALUE_TYPE"],
  ])("%s", (_, text, problem) => {
    expect(codesOf(text)).toEqual([problem]);
  });

  test.each([
    [[0xff, 0xfe, 0x74, 0x00], "1:1", "byte 0xFF is not UTF-8"],
    [[0x61, 0x3a, 0x20, 0xc3], "1:4", "byte 0xC3 is not UTF-8"],
    [[0xef, 0xbb, 0xbf, 0x61, 0x0a, 0x80], "2:1", "byte 0x80 is not UTF-8"],
    [[0xf0, 0x9f, 0x98, 0x80, 0xed, 0xa0, 0x80], "1:3", "byte 0xED is not UTF-8"],
  ])("bytes %j", (bytes, place, message) => {
    const [problem] = parsePipelineFile(Uint8Array.from(bytes), TREE).problems;

    expect(`${problem?.line}:${problem?.column}`).toBe(place);
    expect(problem).toMatchObject({ code: "FILE_ENCODING", message });
  });

  test.each([
    ["test: [make\npublish: dev\n", "1:7", "`[` is never closed"],
    [
      'image: node\ntest: "make\npackage: a.spec\n',
      "2:7",
      'a quote is opened with " and never closed',
    ],
    ["test: it's\nimage: 'node\n", "2:8", "a quote is opened with ' and never closed"],
    ["test: make\ntest make\n", "2:1", '"test make" has no colon'],
    [
      "test: make\n  unit: make\n",
      "1:7",
      "the next line is indented as if it belonged to this value",
    ],
    ["test:\n    a: make\n  b: make\n", "3:1", "this indentation fits no line above"],
    ["test: - make\n", "1:7", "a list starts on the line of its key"],
    ['test: "a" && b\n', "1:11", "text follows after the end of the value"],
    ["test: @make\n", "1:7", 'text without quotes cannot start with "@"'],
    ['test: "\\d"\n', "1:8", '"\\\\d" is no escape in double quotes'],
  ])("%j", (text, place, message) => {
    const { problems } = parse(text);

    expect(problems).toMatchObject([{ code: "YAML_SYNTAX", message }]);
    expect(`${problems[0]?.line}:${problems[0]?.column}`).toBe(place);
  });
});

describe("the limits", () => {
  const repeated = (text: string): string => text.repeat(Math.floor(1_000_000 / text.length));

  test.each([
    ["10 MB", "a".repeat(10_000_000)],
    ["open brackets", repeated("[")],
    ["lists in lists", repeated("- ")],
    ["closing brackets", repeated("]")],
    ["blank lines", repeated("\n")],
    ["comments", repeated("#\n")],
    ["keys", repeated("a: b\n")],
    ["a command", `test: ${"é ".repeat(40_000)}`],
    ["aliases", `a: &a [b]\n${repeated("c: [*a,*a,*a]\n")}`],
    ["tests", `test:\n${Array.from({ length: 99 }, (_, index) => `  t${index}: make\n`).join("")}`],
  ])("%s", (_, text) => {
    const { problems } = parse(text);

    expect(problems.map(({ code }) => code)).toEqual(["LIMIT_EXCEEDED"]);
  });

  test("a bomb of aliases is refused before anything is put in for them", () => {
    const levels = Array.from(
      { length: 9 },
      (_, i) => `l${i + 1}: &l${i + 1} [*l${i},*l${i},*l${i}]`,
    );

    expect(codesOf(`l0: &l0 boom\n${levels.join("\n")}\ntest: *l9\n`)).toEqual(["1:5 YAML_ALIAS"]);
  });

  test("a command is measured in bytes, up to what one argument may have", () => {
    expect(codesOf(`test: |\n  ${"x".repeat(100 * 1024 - 1)}\n`)).toEqual([]);
    expect(codesOf(`test:\n  unit: |\n    ${"x".repeat(100 * 1024)}\n`)).toEqual([
      "2:9 LIMIT_EXCEEDED",
    ]);
  });

  test("98 tests and 20 levels are still fine", () => {
    const tests = Array.from({ length: 98 }, (_, index) => `  t${index}: make\n`).join("");

    expect(codesOf(`test:\n${tests}`)).toEqual([]);
    expect(codesOf(`test: ${"[".repeat(19)}${"]".repeat(19)}\n`)).toEqual(["1:7 VALUE_TYPE"]);
  });

  test.each([
    ["a number of a million digits", `test: ${repeated("9")}`],
    ["an image name without end", `image: ${repeated("a-")}`],
    ["a path without end", `image: ./${repeated("a/../")}..`],
    ["a quote of a megabyte", `test: "${repeated("\\x41")}`],
    ["a key of a megabyte", `? ${repeated("a")}\n: b\n`],
    [
      "thousands of mistakes",
      Array.from({ length: 4_000 }, (_, index) => `Key ${index}: b\n`).join(""),
    ],
  ])("%s makes a short report", (_, text) => {
    const reading = readPipeline(bytesOf(text), TREE);

    expect(reading.kind === "invalid" && reading.report.length).toBeLessThan(20_000);
  });
});

describe("no input is too strange", () => {
  const pieces = fc.constantFrom(
    ..."image test package publish run a 3.10 true null <<".split(" "),
    ...": |- |[|]|{|}|,|\"|'|#| # |>|&a|*a|!t|!!str|%|---|...|? |\t|\\|@|`|\ufeff|é|😀".split("|"),
    ..."|\n|\r\n|  |: |- |./Dockerfile|hello.spec|__proto__|constructor|\u0002|\u0018|\u001f".split(
      "|",
    ),
    "|",
    "|\n",
  );
  const soup = fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join(""));

  test.each([
    ["bytes", fc.uint8Array({ maxLength: 200 })],
    ["text", fc.string({ unit: "binary", maxLength: 200 }).map(bytesOf)],
    ["pieces of YAML", soup.map(bytesOf)],
  ])("%s", (_, inputs) => {
    fc.assert(
      fc.property(inputs, (bytes) => {
        const { pipeline, problems } = parsePipelineFile(bytes, TREE);

        expect(pipeline === undefined).toBe(problems.some(({ isWarning }) => !isWarning));
        for (const problem of problems) expectPlaceInside(problem, bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  function expectPlaceInside({ line, column, length }: PipelineProblem, bytes: Uint8Array): void {
    const text = new TextDecoder().decode(bytes).split("\n")[line - 1];
    if (text === undefined) throw new Error(`There is no line ${line}.`);
    expect(column).toBeGreaterThanOrEqual(1);
    expect(column).toBeLessThanOrEqual(text.length + 1);
    expect(length).toBeGreaterThanOrEqual(1);
  }

  test("nothing in a report can steer a terminal or turn text around", () => {
    const tree = treeOf("Dockerfile", "he\u001b]0;x\u0007llo.spec");
    const text = "test\u202e: make\npackage: he\u2066llo.spec\nimage: ./a\u200fb\n";

    const { problems } = parse(text, tree);

    // oxlint-disable-next-line no-control-regex -- they are what must not be there
    const steering = /[\u0000-\u0009\u000b-\u001f\u200f\u202e\u2066]/;
    expect(formatProblems(text, problems)).not.toMatch(steering);
  });

  test("the marks stay under what is wrong, in a long line and behind wide characters", () => {
    const text = `test: ${"x".repeat(500)}: y\n`;

    expect(formatProblems(text, parse(text).problems)).toContain("   1 | test: xxx");
    const behind = "{ test: make, '😀é': a }\n";
    const [, source = "", marks = ""] = formatProblems(behind, parse(behind).problems).split("\n");
    expect([...source].indexOf("'")).toBe(marks.indexOf("^"));
  });
});
