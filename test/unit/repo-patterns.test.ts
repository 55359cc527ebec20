import fc from "fast-check";
import { expect, test } from "vitest";
import { isRepoPattern, repoMatcher } from "../../src/domain/repo-patterns.ts";

test.each([
  [["*"], "acme/hello", true],
  [["acme/*"], "acme/hello", true],
  [["acme/*"], "acme-labs/hello", false],
  [["acme/*"], "evil/acme/hello", false],
  [["acme/web-*"], "acme/web-shop", true],
  [["acme/web-*"], "acme/api", false],
  [["acme/hello"], "acme/hello", true],
  [["acme/hello"], "acme/hello2", false],
  [["acme/h.llo"], "acme/hello", false],
  [["acme/hello"], "Acme/Hello", true],
  [["*/hello"], "acme/hello", true],
  [["acme/*", "!acme/secret"], "acme/secret", false],
  [["!acme/secret", "acme/*"], "acme/secret", false],
  [["acme/*", "!acme/secret"], "acme/hello", true],
  [["!acme/*"], "acme/hello", false],
  [["!acme/*"], "other/hello", true],
  [[], "acme/hello", false],
])("%j and %s: %s", (patterns, repo, isOurs) => {
  expect(repoMatcher(patterns)(repo)).toBe(isOurs);
});

test("a pattern without a slash is none, except the star alone", () => {
  const seen = ["*", "!*", "acme/*", "!acme/x", "acme", "a/b/c", "", "!"].map(isRepoPattern);

  expect(seen).toEqual([true, true, true, true, false, false, false, false]);
});

test("a name without stars matches itself and nothing longer", () => {
  const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,20}\/[A-Za-z0-9._-]{1,20}$/);
  fc.assert(
    fc.property(name, fc.stringMatching(/^[A-Za-z0-9._/-]{1,5}$/), (repo, more) => {
      const matches = repoMatcher([repo]);

      expect(matches(repo)).toBe(true);
      expect(matches(repo + more)).toBe(false);
      expect(matches(more + repo)).toBe(false);
    }),
  );
});
