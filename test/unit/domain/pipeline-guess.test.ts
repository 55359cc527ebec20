import { expect, test } from "vitest";
import { guessPipeline } from "../../../src/domain/pipeline-guess.ts";
import type { CommitTree } from "../../../src/domain/pipeline.ts";

/** Files by name, or with their text. */
function treeOf(files: readonly string[] | Readonly<Record<string, string>>): CommitTree {
  const texts = new Map(
    Array.isArray(files) ? files.map((path: string) => [path, ""]) : Object.entries(files),
  );
  return {
    has: (path) => texts.has(path),
    files: () => [...texts.keys()],
    shortSha: "3f2a9c1",
    read: (path) => texts.get(path),
  };
}

/** What the guess says, and the parts of its pipeline in few words. */
function guess(files: Parameters<typeof treeOf>[0]) {
  const guessed = guessPipeline(treeOf(files));
  if (!("pipeline" in guessed)) return guessed;
  const { projects } = guessed.pipeline;
  const [project] = projects;
  return {
    note: guessed.note,
    image: project?.image.kind,
    tests: project?.tests.map(({ name, run, image }) => {
      return [name, run ?? (image?.kind === "dockerfile" ? image.stage : null)];
    }),
    packages: project?.packages.map(({ label, source }) => {
      return [label, source.kind === "spec" ? source.path : null];
    }),
    publish: project?.publish,
  };
}

const NO_TESTS = { tests: [], publish: [] };

test.each([
  [
    ["Dockerfile", "hello.spec"],
    { ...NO_TESTS, image: "dockerfile", packages: [["hello", "hello.spec"]] },
    "image ./Dockerfile, package hello.spec",
  ],
  [["Dockerfile"], { ...NO_TESTS, image: "dockerfile", packages: [] }, "image ./Dockerfile"],
  [
    ["rpm/hello.spec"],
    { ...NO_TESTS, image: "base", packages: [["hello", "rpm/hello.spec"]] },
    "package rpm/hello.spec",
  ],
  [
    ["packaging/hello.spec", "old/a.spec"],
    { ...NO_TESTS, image: "base", packages: [["hello", "packaging/hello.spec"]] },
    "package packaging/hello.spec",
  ],
])("%j is guessed, and published nowhere", (files, pipeline, guessed) => {
  expect(guess(files)).toEqual({ ...pipeline, note: `No .tatara.yml; guessed: ${guessed}.` });
});

test.each([
  [{ Dockerfile: "FROM a AS build\nfrom b as Test" }, ["test", "Test"], "stage Test"],
  [{ Dockerfile: "", Makefile: "all:\n\ncheck: all\n" }, ["test", "make check"], "`make check`"],
  [{ Dockerfile: "", Makefile: "test:\n" }, ["test", "make test"], "`make test`"],
  [{ Dockerfile: "", "go.mod": "" }, ["test", "go test ./..."], "`go test ./...`"],
  [
    { Dockerfile: "", "package.json": '{"scripts":{"test":"vitest"}}', "package-lock.json": "" },
    ["test", "npm ci && npm test"],
    "`npm ci && npm test`",
  ],
])("%j is tested in the image of its Dockerfile", (files, wanted, said) => {
  expect(guess(files)).toMatchObject({
    tests: [wanted],
    note: `No .tatara.yml; guessed: image ./Dockerfile, test ${said}.`,
  });
});

test.each([
  [{ Dockerfile: "", "package.json": '{"scripts":{"test":"echo no test specified"}}' }],
  [{ Dockerfile: "", "package.json": '{"scripts":null}' }],
  [{ Dockerfile: "", "package.json": "[" }],
  [{ Dockerfile: "", Makefile: "checks:\n" }],
])("%j has no test", (files) => {
  expect(guess(files)).toMatchObject({ tests: [] });
});

test("a test that has no image of its own is offered, and not run", () => {
  expect(guess({ "Cargo.toml": "", "hello.spec": "" })).toMatchObject({
    tests: [],
    note: "No .tatara.yml; guessed: package hello.spec. Not run: `cargo test` looks like a test; `tatara init` writes it down.",
  });
  expect(guess(["pyproject.toml"])).toEqual({
    nothingToDo:
      "nothing to build: no .tatara.yml, no Dockerfile, no spec file. Not run: `python3 -m pytest` looks like a test; `tatara init` writes it down.",
  });
});

test("several spec files are not guessed from, but named", () => {
  expect(guess(["b.spec", "rpm/a.spec", "Dockerfile"])).toMatchObject({
    packages: [],
    note: "No .tatara.yml; guessed: image ./Dockerfile. Not packaged, since there are several spec files: b.spec, rpm/a.spec.",
  });
  expect(guess(["b.spec", "rpm/a.spec"])).toEqual({
    nothingToDo:
      "nothing to build: no .tatara.yml says which of these to package: b.spec, rpm/a.spec",
  });
});

test.each([[[]], [["README.md", "src/Dockerfile", "deep/er/hello.spec", "x.spec.in"]]])(
  "%j is nothing to do",
  (files) => {
    expect(guess(files)).toEqual({
      nothingToDo: "nothing to build: no .tatara.yml, no Dockerfile, no spec file",
    });
  },
);
