import { describe, expect, test } from "vitest";
import { canHold, leavesOf, parseRich } from "../../../src/domain/rich-dependency.ts";
import type { Providers } from "../../../src/domain/rich-dependency.ts";
import { formatRelation, relationsMeet, senseOf } from "../../../src/domain/rpm-relation.ts";
import type { RpmRelation } from "../../../src/domain/rpm-relation.ts";

function relation(text: string): RpmRelation {
  const [name = "", sign = "", evr = ""] = text.split(" ");
  return { name, flags: senseOf(sign) ?? 0, evr };
}

describe("a Provides and a Requires", () => {
  test.each([
    ["a = 1.0-1", "a", true],
    ["a", "a >= 3", true],
    ["a = 1.0-1", "b", false],
    ["a = 1.0-1", "a = 1.0", true],
    ["a = 1.0-1", "a > 1.0", false],
    ["a = 1.0-2", "a > 1.0-1", true],
    ["a = 1.0-1", "a >= 1.0-2", false],
    ["a = 1:1.0-1", "a >= 2.0", true],
    ["a = 0:2.0-1", "a = 2.0-1", true],
    ["a = 2.0-1", "a < 1:0.1", true],
    ["a = 1.0~rc1-1", "a >= 1.0", false],
    ["a = 1.0^1-1", "a > 1.0-1", true],
    ["a >= 2", "a < 2", false],
    ["a <= 2", "a >= 2", true],
    ["a = :1", "a = 0:1", true],
  ])("%s meets %s: %s", (provided, required, expected) => {
    expect(relationsMeet(relation(provided), relation(required))).toBe(expected);
    expect(relationsMeet(relation(required), relation(provided))).toBe(expected);
  });

  test.each(["libgreet >= 2", "a < 1:2-3", "a", "a = 1", "(a if b)"])(
    "%s is written so",
    (text) => {
      const written = text.startsWith("(") ? { name: text, flags: 0, evr: "" } : relation(text);

      expect(formatRelation(written)).toBe(text);
    },
  );
});

describe("a rich dependency", () => {
  /** Package by package, what it provides. */
  const HOST: Readonly<Record<string, readonly string[]>> = {
    me: ["me", "mine"],
    a: ["a", "common"],
    b: ["b", "common"],
    two: ["lib = 2-1"],
  };

  function providersOf(wanted: RpmRelation): Providers {
    const names = Object.keys(HOST).filter((name) =>
      HOST[name]?.some((provided) => relationsMeet(relation(provided), wanted)),
    );
    return { packages: new Set(names), isOpen: wanted.name.startsWith("foreign") };
  }

  test.each([
    ["(a and b)", true],
    ["(a and none)", false],
    ["(none or other or a)", true],
    ["(none or other)", false],
    ["(lib >= 2 and lib < 3)", true],
    ["(lib >= 3 or lib < 2)", false],
    ["(none if a)", true],
    ["(none if mine)", false],
    ["(none if mine else a)", false],
    ["(a if mine else none)", true],
    ["(none if b else none)", false],
    ["(none if other else a)", true],
    ["(a unless b)", true],
    ["(a unless mine)", false],
    ["(none unless b)", false],
    ["(none unless b else a)", true],
    ["(a with common)", true],
    ["(a with b)", false],
    ["(common without a)", true],
    ["(a without common)", false],
    ["((a or b) with common)", true],
    ["(a and (none or (b if a)))", true],
    ["(foreign and a)", true],
    ["(foreign with a)", true],
    ["(foreign with none)", false],
    ["(foreign and none)", false],
    ["(none if foreign)", true],
  ])("%s can hold: %s", (text, expected) => {
    const rich = parseRich(text);

    expect(rich && canHold(rich, { providersOf, self: "me" })).toBe(expected);
  });

  test("keeps parentheses that belong to names", () => {
    const rich = parseRich("(perl(Foo::Bar) >= 1:2-3 or libc.so.6(GLIBC_2.4)(64bit))");

    const leaves = rich && leavesOf(rich).map(({ relation }) => formatRelation(relation));
    expect(leaves).toEqual(["perl(Foo::Bar) >= 1:2-3", "libc.so.6(GLIBC_2.4)(64bit)"]);
  });

  test.each([
    "(a",
    "(a or b) c",
    "(a or b and c)",
    "(a xor b)",
    "()",
    "(a >= or b)",
    "(a if b if c)",
    "(a or)",
    "a or b",
    `${"(".repeat(500)}a${")".repeat(500)}`,
    `(a or ${"b".repeat(20_000)})`,
  ])("%s is none that we know", (text) => {
    expect(parseRich(text)).toBeUndefined();
  });
});
