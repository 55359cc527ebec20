import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  joinable,
  needsFold,
  SEGMENT_PACKAGES_MAX,
  sealable,
  TAIL_PACKAGES_MAX,
} from "../../../workers/publish/engine/segment-plan.ts";

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

describe("what is sealed of a tail", () => {
  test.each([
    [0, [], 0],
    [63, [], 63],
    [64, [64], 0],
    [100, [100], 0],
    [1_030, [1_024], 6],
    [1_200, [1_024, 176], 0],
    [3_000, [1_024, 1_024, 952], 0],
  ])("of %i packages makes segments of %j and a tail of %i", (count, sealed, tail) => {
    const made = sealable(numbers(count));

    expect(made.sealed.map((each) => each.length)).toEqual(sealed);
    expect(made.tail.length).toBe(tail);
    expect([...made.sealed, made.tail].flat()).toEqual(numbers(count));
  });
});

describe("which segments are joined", () => {
  const segments = (...sizes: readonly number[]) =>
    sizes.map((packages, i) => ({ id: String(i), packages }));
  const sizes = (groups: readonly (readonly { readonly packages: number }[])[]) =>
    groups.map((group) => group.map(({ packages }) => packages));

  test("sixteen of 64 make a full one, fifteen wait", () => {
    const small = numbers(16).map(() => 64);

    expect(sizes(joinable(segments(1_024, ...small), { whole: false }))).toEqual([small]);
    expect(joinable(segments(1_024, ...small.slice(1)), { whole: false })).toEqual([]);
  });

  test("a group is joined as soon as it cannot grow", () => {
    const groups = joinable(segments(500, 400, 300, 200), { whole: false });

    expect(sizes(groups)).toEqual([[500, 400]]);
  });

  test("a fold joins whatever fits together", () => {
    const groups = joinable(segments(1_000, 10, 20, 30), { whole: true });

    expect(sizes(groups)).toEqual([
      [1_000, 10],
      [20, 30],
    ]);
  });

  test("no joined segment is too large, and few small ones are left over", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1_024 }), { maxLength: 60 }), (all) => {
        const groups = joinable(segments(...all), { whole: false });
        const joined = groups.map((group) => group.reduce((sum, each) => sum + each.packages, 0));
        expect(Math.max(0, ...joined)).toBeLessThanOrEqual(SEGMENT_PACKAGES_MAX);

        const left = all.length - groups.flat().length + groups.length;
        const packages = all.reduce((sum, each) => sum + each, 0);
        expect(left).toBeLessThanOrEqual((2 * packages) / SEGMENT_PACKAGES_MAX + 17);
      }),
    );
  });
});

test("updates are folded at the square root of twice the packages", () => {
  expect(needsFold(100_000, 447)).toBe(false);
  expect(needsFold(100_000, 448)).toBe(true);
  expect(needsFold(2_048, TAIL_PACKAGES_MAX)).toBe(false);
  expect(needsFold(2_048, TAIL_PACKAGES_MAX + 1)).toBe(true);
});
