import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PIPELINE_NODES_MAX, keysAt } from "../../../src/domain/pipeline-keys.ts";
import type { CommitTree } from "../../../src/domain/pipeline.ts";
import type { KeyType, PipelinePlace, TextFormat } from "../../../src/domain/pipeline-types.ts";
import { parsePipelineFile, readPipeline } from "../../../src/shared/pipeline-file.ts";
import { pipelineMessage } from "../../../src/shared/pipeline-message.ts";
import { HOSTILE, mutation, spoilt } from "../../support/pipeline-mutations.ts";
import { NAMES, fixtureNames, readFixture, treeOf } from "../../support/pipeline-fixtures.ts";

const TREE = treeOf();

/** What must hold for every input, whatever it says. */
function expectSound(bytes: Uint8Array, tree: CommitTree = TREE): void {
  const before = Object.getOwnPropertyNames(Object.prototype);

  const { pipeline, problems } = parsePipelineFile(bytes, tree, NAMES);

  expect(pipeline === undefined).toBe(problems.some(({ isWarning }) => !isWarning));
  expect(problems.length).toBeLessThanOrEqual(3 * PIPELINE_NODES_MAX);
  const lines = new TextDecoder().decode(bytes.subarray(0, 1024 * 1024)).split("\n");
  for (const { line, column, length, message, hint } of problems) {
    expect(column).toBeGreaterThanOrEqual(1);
    expect(column).toBeLessThanOrEqual((lines[line - 1]?.length ?? -1) + 1);
    expect(length).toBeGreaterThanOrEqual(1);
    expect(message.length + hint.length).toBeLessThan(4_000);
  }
  // What the worker accepts, the server must be able to read.
  if (pipeline !== undefined) pipelineMessage.parse(JSON.parse(JSON.stringify(pipeline)));
  expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

describe("good files that somebody has spoilt", () => {
  const goods = fixtureNames("good").map((name) => readFixture("good", name));
  test("are read or refused", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...goods),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        ({ bytes, tree }, mutations) => {
          expectSound(bytesOf(mutations.reduce(spoilt, bytes.toString())), tree);
        },
      ),
      { numRuns: 1_000, seed: 20_260 },
    );
  });
});

describe("files made by the table of keys", () => {
  const texts: Partial<Record<TextFormat, readonly string[]>> = {
    "step-name": ["unit", "lint"],
    "service-name": ["db", "cache"],
    "project-name": ["api", "web"],
    variable: ["node", "pg"],
    channel: ["dev", "testing", "stable"],
    duration: ["10m", "1h"],
    size: ["512m", "4g"],
    "spec-path": ["hello.spec"],
    "dockerfile-path": ["./Dockerfile"],
    image: ["./Dockerfile", "node:${matrix.node}", "debian:12"],
    "image-name": ["debian:12"],
    "folder-path": [".", ""],
    target: ["el9", "el10.x86_64"],
    arch: ["x86_64", "noarch"],
    schedule: ["nightly"],
    version: ["1.2", "spec", "from-tag"],
    release: ["auto", "1%{?dist}"],
    relation: ["bash", "nodejs >= 16"],
    mode: ["0755"],
    "installed-path": ["/usr/bin/hello"],
    "env-name": ["A", "B_C"],
    "secret-name": ["NPM_TOKEN"],
    source: ["epel", "dev"],
    pattern: ["main", "src/**", "!docs/**"],
    "cache-path": ["~/.npm", "node_modules"],
  };

  const junk = fc.oneof(
    fc.constantFrom<unknown>(
      ...HOSTILE,
      "",
      " ",
      "../..",
      "/x",
      "${matrix.x}",
      null,
      true,
      -1,
      1e300,
      3.1,
      [],
      {},
    ),
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.array(fc.constantFrom(...HOSTILE), { maxLength: 3 }),
  );

  function valueOf(type: KeyType, depth: number): fc.Arbitrary<unknown> {
    return fc.oneof(
      { arbitrary: rightValueOf(type, depth), weight: 30 },
      { arbitrary: junk, weight: 1 },
    );
  }

  function rightValueOf(type: KeyType, depth: number): fc.Arbitrary<unknown> {
    switch (type.is) {
      case "text":
        return fc.constantFrom(...(texts[type.format] ?? ["make", "a"]));
      case "texts": {
        const one = fc.constantFrom(...(texts[type.format] ?? ["make", "a"]));
        return fc.oneof(one, fc.uniqueArray(one, { minLength: 1, maxLength: 3 }));
      }
      case "list":
        return fc.array(valueOf(type.of, depth + 1), { minLength: 1, maxLength: 3 });
      case "switch":
        return fc.constant(type.only ?? true);
      case "number":
        return fc.constantFrom(type.min, 1, 2);
      case "choice":
        return fc.constantFrom(...type.of);
      case "map": {
        const keys = fc.constantFrom(
          ...(texts[type.keys] ?? ["alpha", "beta"]),
          ...HOSTILE.slice(0, 1),
        );
        return fc.dictionary(keys, valueOf(type.of, depth + 1), { minKeys: 1, maxKeys: 2 });
      }
      case "keys":
        return placeOf(type.place, depth + 1);
      case "either":
        return fc.oneof(...type.of.map((one) => rightValueOf(one, depth)));
    }
  }

  const made = new Map<PipelinePlace, fc.Arbitrary<unknown>>();

  function placeOf(place: PipelinePlace, depth: number): fc.Arbitrary<unknown> {
    const known = made.get(place);
    if (known !== undefined) return known;
    const rows = keysAt(place);
    const entries = Object.fromEntries(rows.map(({ key, type }) => [key, valueOf(type, depth)]));
    const required = rows.flatMap(({ key, isRequired }) => (isRequired === true ? [key] : []));
    const arbitrary = fc
      .record(entries, { requiredKeys: required })
      .chain((whole) => fc.subarray(Object.entries(whole)).map((some) => Object.fromEntries(some)));
    made.set(place, arbitrary);
    return arbitrary;
  }

  test("are read or refused", () => {
    let read = 0;
    fc.assert(
      fc.property(placeOf("top", 0), (file) => {
        const bytes = bytesOf(JSON.stringify(file));
        expectSound(bytes);
        if (parsePipelineFile(bytes, TREE, NAMES).pipeline !== undefined) read += 1;
      }),
      { numRuns: 1_000, seed: 20_261 },
    );
    // Else the generator would only try refusals.
    expect(read).toBeGreaterThan(10);
  });
});

describe("prototype names", () => {
  const places = [
    (name: string) => `${name}: a\n`,
    (name: string) => `test: { ${name}: make }\n`,
    (name: string) => `test: { unit: { run: make, ${name}: a } }\n`,
    (name: string) => `test: { unit: { run: make, env: { ${name}: a } } }\n`,
    (name: string) => `test: { unit: { run: make, matrix: { ${name}: [a] } } }\n`,
    (name: string) =>
      `test: { unit: { run: make, matrix: { a: [b], except: [{ ${name}: b }] } } }\n`,
    (name: string) => `test: { unit: { run: make, image: "a:\${matrix.${name}}" } }\n`,
    (name: string) => `test: { unit: { run: make, secrets: { ${name}: env } } }\n`,
    (name: string) => `test: { unit: { run: make, needs: ${name}, services: ${name} } }\n`,
    (name: string) => `services: { ${name}: a }\n`,
    (name: string) => `image: { build: ./Dockerfile, args: { ${name}: a }, stage: ${name} }\n`,
    (name: string) => `package: { spec: hello.spec, define: { ${name}: a }, for: ${name} }\n`,
    (name: string) => `package: { spec: hello.spec, ${name}: a }\n`,
    (name: string) => `package: { name: a, users: { ${name}: a }, scripts: { ${name}: a } }\n`,
    (name: string) => `package: hello.spec\npublish: { ${name}: { promote-from: ${name} } }\n`,
    (name: string) => `projects: { ${name}: { path: ., needs: ${name} } }\n`,
    (name: string) => `on-newer-push: ${name}\n`,
  ];

  test.each(HOSTILE)("%s means nothing special anywhere", (name) => {
    for (const place of places) expectSound(bytesOf(place(name)));
  });
});

describe("what a hostile file costs", () => {
  /** A commit of many files that counts how often somebody goes through all of them. */
  function countingTree(): { readonly tree: CommitTree; readonly walks: () => number } {
    const files = Array.from(
      { length: 20_000 },
      (_, index) => `src/part-${index % 97}/file-${index}.c`,
    );
    const known = new Set(files);
    let walks = 0;
    const tree: CommitTree = {
      has: (path) => known.has(path),
      files: () => {
        walks += 1;
        return files;
      },
      shortSha: "3f2a9c1",
    };
    return { tree, walks: () => walks };
  }

  const many = (count: number, line: (index: number) => string): string => {
    return Array.from({ length: count }, (_, index) => line(index)).join("");
  };

  test.each([
    [
      "missing Dockerfiles",
      `test:\n${many(95, (n) => `  t${n}: { run: a, image: ./Docker${n} }\n`)}`,
    ],
    ["missing folders", `projects:\n${many(200, (n) => `  p${n}: { path: part-${n} }\n`)}`],
    ["missing spec files", `package: [${many(50, (n) => `a${n}.spec, `)}]\n`],
    [
      "missing files of a package",
      `package:\n  name: a\n  summary: a\n  license: MIT\n  files:\n${many(4_000, (n) => `    /a${n}: file-${n}.x\n`)}`,
    ],
  ])("%s are looked for in the commit a few times only", (_, text) => {
    const { tree, walks } = countingTree();

    expectSound(bytesOf(text), tree);

    // Each suggestion walks up to three times; 20 suggestions are made, and the specs are listed.
    expect(walks()).toBeLessThanOrEqual(3 * 20 + 2 * 50 + 2);
  });

  test.each([
    ["10 MB of one line", "a".repeat(10_000_000)],
    ["10 MB of keys", "a: b\n".repeat(2_000_000)],
    ["open braces", "{".repeat(1_000_000)],
    ["braces in a pattern", `when: { paths: "${"{a,".repeat(500)}" }\n`],
    ["nested braces in a pattern", `when: { paths: "${"{".repeat(900)}" }\n`],
    [
      "stars in a pattern",
      `when: { branches: "${"*a".repeat(900)}" }\ntest: { u: { run: a, only: { branches: "${"a".repeat(1_800)}" } } }\n`,
    ],
    ["a dependency of brackets", `package: { name: a, requires: "a${"()".repeat(900)}!" }\n`],
    ["templates that never close", `env: { A: "${"${".repeat(30_000)}" }\n`],
    ["dollars", `env: { A: "${"$".repeat(60_000)}" }\n`],
    ["an image of dashes", `image: "${"a-".repeat(900)}A"\n`],
    ["a schedule of commas", `when: { schedule: "${"1,".repeat(90)} * * * *" }\n`],
    [
      "a huge matrix",
      `test: { u: { run: a, matrix: { ${many(20, (n) => `v${n}: [${many(100, (m) => `"${m}",`)}],`)} } } }\n`,
    ],
    [
      "a matrix of exceptions",
      `test: { u: { run: a, matrix: { a: [${many(44, (m) => `"${m}",`)}], b: [${many(44, (m) => `"${m}",`)}], except: [${many(1_000, (n) => `{ a: "${n % 44}" },`)}] } } }\n`,
    ],
    [
      "needs of each other",
      `test:\n${many(90, (n) => `  t${n}: { run: a, needs: [${many(90, (m) => `t${m},`)}] }\n`)}`,
    ],
    [
      "a long environment in many steps",
      `env: { A: "${"x".repeat(60_000)}" }\ntest:\n${many(90, (n) => `  t${n}: make\n`)}`,
    ],
    [
      "a long environment in many projects",
      `env: {${many(10, (n) => `A${n}: "${"x".repeat(60_000)}",`)}}\nprojects:\n${many(150, (n) => `  p${n}: { path: src/part-1, test: { a: make, b: make, c: make } }\n`)}`,
    ],
  ])("%s", (_, text) => {
    expectSound(bytesOf(text), countingTree().tree);
  });

  test("defaults that would make a short file very long are refused", () => {
    const steps = many(90, (n) => `  t${n}: make\n`);
    const text = `env: { A: "${"x".repeat(60_000)}" }\ntest:\n${steps}`;

    const { problems } = parsePipelineFile(bytesOf(text), TREE);

    expect(problems.map(({ code }) => code)).toEqual(["LIMIT_EXCEEDED"]);
  });

  test("schedules are few: the server looks years ahead for each", () => {
    const times = (count: number) => many(count, (n) => `"${n} 3 * * *", `);
    const told = (count: number) => {
      const text = `when: { schedule: [${times(count)}] }\ntest: make\n`;
      return parsePipelineFile(bytesOf(text), TREE).problems.map(({ code }) => code);
    };

    expect(told(20)).toEqual([]);
    expect(told(21)).toEqual(["LIMIT_EXCEEDED"]);
  });

  test("a report stays short, however much is wrong", () => {
    const text = `test:\n${many(4_000, (n) => `  Step ${n}: make\n`)}`;

    const reading = readPipeline(bytesOf(text), TREE, NAMES);

    expect(reading.kind === "invalid" && reading.report.length).toBeLessThan(20_000);
  });
});
