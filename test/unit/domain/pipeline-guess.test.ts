import { expect, test } from "vitest";
import { guessPipeline } from "../../../src/domain/pipeline-guess.ts";
import type { CommitTree } from "../../../src/domain/pipeline.ts";

function treeOf(...files: readonly string[]): CommitTree {
  return { has: (path) => files.includes(path), files: () => files, shortSha: "3f2a9c1" };
}

const BASE = { kind: "base" } as const;
const DOCKERFILE = { kind: "dockerfile", path: "Dockerfile" } as const;
const NO_TESTS = { tests: [], publish: null };

test.each([
  [
    ["Dockerfile", "hello.spec"],
    { ...NO_TESTS, image: DOCKERFILE, spec: "hello.spec" },
    "image ./Dockerfile, package hello.spec",
  ],
  [["Dockerfile"], { ...NO_TESTS, image: DOCKERFILE, spec: null }, "image ./Dockerfile"],
  [
    ["rpm/hello.spec"],
    { ...NO_TESTS, image: BASE, spec: "rpm/hello.spec" },
    "package rpm/hello.spec",
  ],
  [
    ["packaging/hello.spec", "old/a.spec"],
    { ...NO_TESTS, image: BASE, spec: "packaging/hello.spec" },
    "package packaging/hello.spec",
  ],
])("%j is guessed, and published nowhere", (files, pipeline, guessed) => {
  expect(guessPipeline(treeOf(...files))).toEqual({
    pipeline,
    note: `No .tatara.yml; guessed: ${guessed}.`,
  });
});

test("several spec files are not guessed from, but named", () => {
  expect(guessPipeline(treeOf("b.spec", "rpm/a.spec", "Dockerfile"))).toEqual({
    pipeline: { ...NO_TESTS, image: DOCKERFILE, spec: null },
    note: "No .tatara.yml; guessed: image ./Dockerfile. Not packaged, since there are several spec files: b.spec, rpm/a.spec.",
  });
  expect(guessPipeline(treeOf("b.spec", "rpm/a.spec"))).toEqual({
    nothingToDo:
      "nothing to build: no .tatara.yml says which of these to package: b.spec, rpm/a.spec",
  });
});

test.each([[[]], [["README.md", "src/Dockerfile", "deep/er/hello.spec", "x.spec.in"]]])(
  "%j is nothing to do",
  (files) => {
    expect(guessPipeline(treeOf(...files))).toEqual({
      nothingToDo: "nothing to build: no .tatara.yml, no Dockerfile, no spec file",
    });
  },
);
