import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { PIPELINE_KEYS, keysAt } from "../../../src/domain/pipeline-keys.ts";
import type { PipelineKey } from "../../../src/domain/pipeline-keys.ts";
import type { ServerNames } from "../../../src/domain/pipeline.ts";
import { PIPELINE_PROBLEM_CODES } from "../../../src/domain/pipeline-problem.ts";
import { PIPELINE_PLACES } from "../../../src/domain/pipeline-types.ts";
import { pipelineMessage } from "../../../src/shared/pipeline-message.ts";
import { readPipeline } from "../../../src/shared/pipeline-file.ts";
import { formatProblems } from "../../../src/shared/pipeline-problems.ts";
import { NAMES, fixtureNames, readFixture, treeOf } from "../../support/pipeline-fixtures.ts";

describe("each broken file has the message that it should", () => {
  test.each(fixtureNames("broken"))("%s", (name) => {
    const { bytes, tree, expectedFile } = readFixture("broken", name);

    const reading = readPipeline(bytes, tree, NAMES);

    if (reading.kind === "nothing-to-do") throw new Error("The file was not read.");
    const problems = reading.kind === "invalid" ? reading.problems : reading.warnings;
    const report =
      reading.kind === "invalid" ? reading.report : formatProblems(bytes.toString(), problems);
    expect(`${report}\n`).toBe(readFileSync(expectedFile, "utf8"));
    if (name.startsWith("several-")) expect(problems.length).toBeGreaterThan(1);
    else expect(problems.map(({ code }) => wordsOf(code))).toEqual([codePart(name)]);
  });

  function wordsOf(code: string): string {
    return code.toLowerCase().replaceAll("_", "-");
  }

  /** `key-missing-run` → `key-missing`: the longest code that the name begins with. */
  function codePart(name: string): string | undefined {
    return PIPELINE_PROBLEM_CODES.map(wordsOf)
      .filter((code) => name === code || name.startsWith(`${code}-`))
      .toSorted((a, b) => b.length - a.length)[0];
  }

  test("every code is among them", () => {
    const found = new Set(fixtureNames("broken").map(codePart));
    // A file of another name has no text to show; it is checked beside the reading of files.
    const wanted = PIPELINE_PROBLEM_CODES.filter((code) => code !== "FILE_NAME").map(wordsOf);

    expect(wanted.filter((code) => !found.has(code))).toEqual([]);
  });
});

/** Everything that the good files ask for. */
const GENEROUS: ServerNames = {
  ...NAMES,
  secrets: ["NPM_TOKEN", "CODECOV"].map((name) => ({ name, pullRequests: true })),
};

describe("each good file has its long form", () => {
  test.each(fixtureNames("good"))("%s", (name) => {
    const { bytes, tree, expectedFile } = readFixture("good", name);

    const reading = readPipeline(bytes, tree, GENEROUS);

    const expected: unknown = JSON.parse(readFileSync(expectedFile, "utf8"));
    expect(reading).toEqual({ kind: "pipeline", pipeline: expected, note: null, warnings: [] });
  });

  test.each(fixtureNames("good"))("the server takes %s as it is", (name) => {
    const { bytes, tree } = readFixture("good", name);
    const reading = readPipeline(bytes, tree, GENEROUS);
    if (reading.kind !== "pipeline") throw new Error("The file was refused.");

    expect(pipelineMessage.parse(JSON.parse(JSON.stringify(reading.pipeline)))).toEqual(
      reading.pipeline,
    );
  });
});

/** A file in which a line of each place can stand, with all that it needs. */
const FRAMES: Readonly<Record<string, (line: string, key: string) => string>> = {
  top: (line) => line,
  image: (line, key) =>
    `image: { ${needing(line, key, { from: ["pull"] }, "build: ./Dockerfile")} }`,
  step: (line, key) => inStep(key === "run" ? line : `run: make\n    ${line}`),
  matrix: (line) => inStep(`run: make\n    matrix: { node: ["22", "24"], ${line} }`),
  keep: (line, key) =>
    inStep(`run: make\n    keep: { ${key === "files" ? line : `files: a, ${line}`} }`),
  cache: (line, key) => `cache: { ${key === "paths" ? line : `paths: a, ${line}`} }`,
  resources: (line) => `resources: { ${line} }`,
  service: (line, key) => `services: { db: { ${key === "image" ? line : `image: a, ${line}`} } }`,
  "service-resources": (line) => `services: { db: { image: a, resources: { ${line} } } }`,
  package: (line, key) => inPackage(line, key),
  version: (line) => `package: { spec: hello.spec, version: { ${line} } }`,
  verify: (line) => `package: { spec: hello.spec, verify: { ${line} } }`,
  scripts: (line) => withoutSpec(`scripts: { ${line} }`),
  user: (line) => withoutSpec(`users: { hello: { ${line} } }`),
  file: (line, key) =>
    withoutSpec(
      `files: { /a: { ${["from", "dir", "link"].includes(key) ? line : `from: a, ${line}`} } }`,
    ),
  "publish-rule": (line) => `package: hello.spec\npublish: { dev: { ${line} } }`,
  when: (line) => `when: { ${line} }`,
  only: (line) => inStep(`run: make\n    only: { ${line} }`),
  checkout: (line) => `checkout: { ${line} }`,
  project: (line, key) => {
    const others = "  common: { path: . }\n";
    const path = key === "path" ? "" : "    path: services/api\n";
    const made = key === "publish" ? "    package: hello.spec\n" : "";
    return `projects:\n${others}  api:\n${path}${made}    ${line}\n`;
  },
};

function needing(
  line: string,
  key: string,
  { from }: { readonly from: readonly string[] },
  other: string,
): string {
  if (key === "build" || key === "from") return line;
  return `${from.includes(key) ? "from: a" : other}, ${line}`;
}

function inStep(lines: string): string {
  return `services: { db: a }\ntest:\n  lint: make lint\n  unit:\n    ${lines}\n`;
}

function inPackage(line: string, key: string): string {
  const row = keysAt("package").find((one) => one.key === key);
  if (row?.excludes?.includes("spec")) return withoutSpec(line);
  return `package:\n  ${key === "spec" ? line : `spec: hello.spec\n  ${line}`}\n`;
}

function withoutSpec(line: string): string {
  const needed = ["name: hello", "summary: a", "license: MIT", "run: make", "files: { /a: a }"];
  const others = needed.filter((one) => one.split(":")[0] !== line.split(":")[0]);
  return `package:\n${[...others, line].map((one) => `  ${one}\n`).join("")}`;
}

describe("the table of keys", () => {
  const TREE = treeOf({
    files: Object.fromEntries(
      ["Dockerfile", "hello.spec", "services/api/Dockerfile", "services/api/hello.spec"].map(
        (path) => [path, "FROM debian AS test\n"],
      ),
    ),
  });
  const problemsOf = (text: string) => {
    const reading = readPipeline(new TextEncoder().encode(text), TREE, GENEROUS);
    return reading.kind === "invalid" ? reading.report : "";
  };
  const current = PIPELINE_KEYS.filter(({ retired }) => retired === undefined);

  test.each(current.map((row): [string, PipelineKey] => [`${row.place}: ${row.key}`, row]))(
    "the example of %s is right as it stands",
    (_, { place, key, example }) => {
      const line =
        key === "publish" && place === "top" ? `package: hello.spec\n${example}` : example;
      const projects = key === "run-all-on" ? "\nprojects: { a: { path: . } }" : "";

      expect(problemsOf(`${FRAMES[place]?.(line, key)}${projects}\n`)).toBe("");
    },
  );

  test.each(current.map((row): [string, PipelineKey] => [`${row.place}: ${row.key}`, row]))(
    "%s can be written in a good file, and cannot be empty",
    (_, { place, key }) => {
      const text = FRAMES[place]?.(`${key}: `, key) ?? "";

      expect(problemsOf(text)).toContain("VALUE_EMPTY");
    },
  );

  test("has a row for each place, and no key twice", () => {
    const names = PIPELINE_KEYS.map(({ place, key }) => `${place}: ${key}`);

    expect(new Set(names).size).toBe(names.length);
    expect(PIPELINE_PLACES.filter((place) => keysAt(place).length === 0)).toEqual([]);
  });

  test("names only keys of the same place", () => {
    for (const { place, excludes = [], requires, retired } of PIPELINE_KEYS) {
      const others = [...excludes, ...[requires, retired?.by].filter((one) => one !== undefined)];
      const known = keysAt(place).map(({ key }) => key);
      expect(others.filter((one) => !known.includes(one))).toEqual([]);
    }
  });
});
