import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matcherOf, patternProblem } from "../../../src/domain/patterns.ts";

const matches = (pattern: string, text: string): boolean => matcherOf([pattern])(text);

describe("patterns", () => {
  test.each([
    ["main", "main", true],
    ["main", "mainly", false],
    ["*", "v1.4.0", true],
    ["*", "release/1", false],
    ["release/*", "release/1.4", true],
    ["release/*", "release/1/2", false],
    ["**", "release/1/2", true],
    ["build/**", "build/a/b.go", true],
    ["build/**", "builds/a", false],
    ["**/*.md", "README.md", true],
    ["**/*.md", "docs/a/b.md", true],
    ["**/*.md", "docs/a.mdx", false],
    ["docs/**/x", "docs/x", true],
    ["docs/**/x", "docs/a/b/x", true],
    ["a**b", "a/x/b", true],
    ["v?.0", "v1.0", true],
    ["v?.0", "v/.0", false],
    ["v[0-9]*", "v1.4.0", true],
    ["v[!0-9]*", "v1", false],
    ["v[^0-9]*", "vx", true],
    ["[]a]", "]", true],
    ["[a-]", "-", true],
    ["{main,release/*}", "release/1", true],
    ["{main,release/*}", "next", false],
    ["{a,b{c,d}}e", "bde", true],
    ["{,x}y", "y", true],
    ["{**/a,b}", "x/a", true],
    ["\\*", "*", true],
    ["\\*", "a", false],
    ["a.c", "abc", false],
    ["größe/*", "größe/ß", true],
    ["?", "😀", true],
  ])("%s and %s: %s", (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected);
  });

  test("a leading ! takes away; alone it starts from everything", () => {
    expect(matcherOf(["**", "!docs/**"])("docs/a")).toBe(false);
    expect(matcherOf(["!docs/**", "**"])("docs/a")).toBe(false);
    expect(matcherOf(["!docs/**"])("src/a")).toBe(true);
    expect(matcherOf([])("src/a")).toBe(false);
  });

  test("what cannot be read says why, and matches nothing", () => {
    expect(patternProblem("v[0-9")).toBe('"[" in the pattern is never closed');
    expect(patternProblem("{a,b")).toBe('"{" in the pattern is never closed');
    expect(patternProblem("a\\")).toContain("\\");
    expect(patternProblem("{".repeat(9) + "}".repeat(9))).toContain("nested");
    expect(patternProblem("!v*")).toBeUndefined();
    expect(matches("v[0-9", "v1")).toBe(false);
  });

  const part = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => !text.includes("/"));
  const path = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
  const quote = (text: string): string => text.replace(/[\\*?[\]{}!,]/g, "\\$&");

  test("every text matches itself, quoted", () => {
    fc.assert(fc.property(path, (text) => matches(quote(text), text)));
  });

  test("a folder's ** matches all below it and nothing else", () => {
    fc.assert(
      fc.property(path, path, (folder, below) => {
        expect(matches(`${quote(folder)}/**`, `${folder}/${below}`)).toBe(true);
        expect(matches(`${quote(folder)}/**`, folder)).toBe(false);
      }),
    );
  });

  test("* never crosses a slash", () => {
    fc.assert(
      fc.property(path, (text) => {
        expect(matches("*", text)).toBe(!text.includes("/"));
        expect(matches("**", text)).toBe(true);
      }),
    );
  });

  test("stars agree with what a regular expression of the same meaning says", () => {
    const symbol = fc.constantFrom("a", "b", "/", "*", "**", "?");
    const text = fc.stringMatching(/^[ab/]{0,8}$/);
    fc.assert(
      fc.property(fc.array(symbol, { maxLength: 6 }), text, (symbols, subject) => {
        const pattern = symbols.join("");
        const source = pattern.replace(/(?<=^|\/)\*{2,}\/|\*{2,}|\*|\?/g, (found) => {
          if (found.endsWith("/")) return "(?:.*/)?";
          if (found === "?") return "[^/]";
          return found === "*" ? "[^/]*" : ".*";
        });
        expect(matches(pattern, subject)).toBe(new RegExp(`^${source}$`, "s").test(subject));
      }),
      { numRuns: 2_000 },
    );
  });

  test("no pattern makes matching slow, and none can break it", () => {
    const hostile = `${"*a".repeat(200)}b`;
    // A matcher that goes back and tries again would not end within the age of the universe.
    expect(matches(hostile, "a".repeat(5_000))).toBe(false);
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), fc.string({ maxLength: 40 }), (pattern, text) => {
        expect(typeof matcherOf([pattern])(text)).toBe("boolean");
        patternProblem(pattern);
      }),
    );
  });
});
