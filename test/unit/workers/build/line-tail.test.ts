import fc from "fast-check";
import { expect, test } from "vitest";
import { lineTail } from "../../../../workers/build/log/line-tail.ts";

const KIB = 1024;

test("what is kept of a log begins with a line, and its number is right however it came", () => {
  const line = fc.nat(9_000).map((length) => `${"x".repeat(length)}\n`);
  fc.assert(
    fc.property(
      fc.array(line, { minLength: 80, maxLength: 200 }),
      fc.integer({ min: 1, max: 300 * KIB }),
      (lines, chunkBytes) => {
        const all = Buffer.from(lines.join(""));
        const tail = lineTail();
        for (let at = 0; at < all.length; at += chunkBytes) {
          tail.push(all.subarray(at, at + chunkBytes));
        }

        const { text, firstLineNumber } = tail.read();

        expect(lines.slice(firstLineNumber - 1).join("")).toBe(text);
        expect(text.length).toBeGreaterThanOrEqual(Math.min(all.length, 118 * KIB));
        expect(text.length).toBeLessThanOrEqual(256 * KIB);
      },
    ),
    { numRuns: 50 },
  );
});
