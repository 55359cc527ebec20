import fc from "fast-check";
import { expect, test } from "vitest";
import { boundLog } from "../../../../workers/build/log/bounded-log.ts";

function through(
  sizes: { headBytes: number; tailBytes: number },
  chunks: readonly Buffer[],
): Buffer {
  const log = boundLog(sizes);
  return Buffer.concat([...chunks.map((chunk) => log.push(chunk)), log.end()]);
}

test("a log below its bound passes as it comes", () => {
  const log = boundLog({ headBytes: 4, tailBytes: 4 });

  expect(log.push(Buffer.from("abcd")).toString()).toBe("abcd");
  expect(log.end().toString()).toBe("");
});

test("a log over its bound keeps head and tail, and says in between how much is missing", () => {
  const shown = through({ headBytes: 4, tailBytes: 3 }, [
    Buffer.from("abcdefg"),
    Buffer.from("hij"),
  ]);

  expect(shown.toString()).toBe("abcd\n[tatara: 3 bytes of this log were left out here]\nhij");
});

test("a log that just fits head and tail has no gap", () => {
  const shown = through({ headBytes: 4, tailBytes: 3 }, [Buffer.from("abcde"), Buffer.from("fg")]);

  expect(shown.toString()).toBe("abcdefg");
});

test("however it is cut, head and tail are exact and the gap is counted right", () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 20 });
  fc.assert(
    fc.property(
      chunks,
      fc.nat(30),
      fc.integer({ min: 1, max: 30 }),
      (parts, headBytes, tailBytes) => {
        const all = Buffer.concat(parts);
        const shown = through(
          { headBytes, tailBytes },
          parts.map((part) => Buffer.from(part)),
        );

        const leftOut = all.length - headBytes - tailBytes;
        const gap = Buffer.from(`\n[tatara: ${leftOut} bytes of this log were left out here]\n`);
        const expected =
          leftOut <= 0
            ? all
            : Buffer.concat([
                all.subarray(0, headBytes),
                gap,
                all.subarray(all.length - tailBytes),
              ]);
        expect(shown.equals(expected)).toBe(true);
      },
    ),
  );
});
