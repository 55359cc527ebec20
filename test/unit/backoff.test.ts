import fc from "fast-check";
import { expect, test } from "vitest";
import { BACKOFF_MAX_MS, BACKOFF_MIN_MS, backoffMs } from "../../src/domain/backoff.ts";

test("waits at least a second and at most five minutes, whatever has happened before", () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.double({ min: 0, max: 1, noNaN: true }), (tries, random) => {
      const ms = backoffMs(tries, random);

      expect(ms).toBeGreaterThanOrEqual(BACKOFF_MIN_MS);
      expect(ms).toBeLessThanOrEqual(BACKOFF_MAX_MS);
      expect(Number.isInteger(ms)).toBe(true);
    }),
  );
});

test("the ceiling doubles with each try until it is five minutes", () => {
  const ceilings = [0, 1, 2, 3, 8, 9, 50].map((tries) => backoffMs(tries, 1));

  expect(ceilings).toEqual([2_000, 2_000, 4_000, 8_000, 256_000, 300_000, 300_000]);
});

test("the jitter is full: anything between the second and the ceiling", () => {
  expect([0, 0.5, 1].map((random) => backoffMs(3, random))).toEqual([1_000, 4_500, 8_000]);
});
