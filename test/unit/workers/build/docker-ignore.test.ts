import { describe, expect, test } from "vitest";
import { readDockerIgnore } from "../../../../workers/build/source/docker-ignore.ts";

// Taken from what `docker build` itself does (moby's patternmatcher and its tests).
describe.each<[string, readonly string[], readonly string[]]>([
  ["", [], ["a", "a/b"]],
  ["# a\n", [], ["a", "# a"]],
  [" # a \n", [" # a"].map((name) => name.trim()), ["a"]],
  ["a", ["a", "a/b", "a/b/c"], ["b/a", "aa"]],
  ["/a/", ["a", "a/b"], ["b/a"]],
  ["./a/../b", ["b", "b/c"], ["a"]],
  ["*.md\n!README.md", ["CHANGES.md"], ["README.md", "docs/x.md"]],
  [
    "*.md\n!README*.md\nREADME-secret.md",
    ["README-secret.md", "x.md"],
    ["README.md", "README-a.md"],
  ],
  ["**/*.o", ["a.o", "x/y/z.o"], ["a.o.c", "o"]],
  ["**/build", ["build", "build/a", "x/build", "x/y/build/z"], ["builds"]],
  ["docs/**", ["docs/a", "docs/a/b"], ["doc", "xdocs/a"]],
  ["docs/**/*.txt", ["docs/a.txt", "docs/x/y/a.txt"], ["a.txt", "docs/a.md"]],
  ["*", ["a", "a/b", ".git"], []],
  ["*\n!src", ["a", "b/c"], ["src", "src/a.c", "src/x/y"]],
  ["*\n!src/**/*.c", ["a", "src/a.h"], ["src/a.c", "src/x/b.c"]],
  ["a\n!a/b\na/b/c", ["a", "a/x", "a/b/c"], ["a/b", "a/b/d"]],
  ["?.txt", ["a.txt"], ["ab.txt", ".txt", "x/a.txt"]],
  ["[ab].txt", ["a.txt", "b.txt"], ["c.txt"]],
  ["[^a].txt", ["b.txt"], ["a.txt"]],
  ["[a-c]/x", ["b/x", "b/x/y"], ["d/x"]],
  ["a\\*b", ["a*b"], ["axb"]],
  ["a+(b).c{1}$", ["a+(b).c{1}$"], ["aab.c"]],
  ["a b", ["a b"], ["a"]],
  ["  a  ", ["a"], ["  a"]],
  ["\uFEFFa", ["a"], []],
  ["a\r\nb\r\n", ["a", "b"], []],
  ["!a", [], ["a"]],
])("the file %j", (text, ignored, sent) => {
  const isIgnored = readDockerIgnore(text, []);

  test("leaves out what Docker leaves out", () => {
    expect([...ignored, ...sent].filter(isIgnored)).toEqual(ignored);
  });
});

test("what the build itself needs is always sent", () => {
  const isIgnored = readDockerIgnore("*", ["docker/Dockerfile", ".dockerignore"]);

  expect(isIgnored("docker/Dockerfile")).toBe(false);
  expect(isIgnored(".dockerignore")).toBe(false);
  expect(isIgnored("docker/other")).toBe(true);
});

test.each(["a[", "[b-a]", "!"])("the pattern %j is refused with its line", (pattern) => {
  expect(() => readDockerIgnore(`ok\n${pattern}\n`, [])).toThrow(
    expect.objectContaining({ code: "DOCKERFILE_INVALID", file: ".dockerignore", line: 2 }),
  );
});
