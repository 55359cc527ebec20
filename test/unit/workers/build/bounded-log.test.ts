import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { boundLog } from "../../../../workers/build/log/bounded-log.ts";
import { ringFile } from "../../../../workers/build/log/ring-file.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tatara-bounded-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

async function through(
  sizes: { headBytes: number; tailBytes: number },
  chunks: readonly Buffer[],
): Promise<Buffer> {
  const log = boundLog(sizes);
  const end = ringFile(dir, sizes.tailBytes);
  const shown: Buffer[] = [];
  for (const chunk of chunks) {
    const { head, rest } = log.push(chunk);
    shown.push(head);
    void end.write(rest);
  }
  shown.push(log.gap());
  for await (const piece of end.read()) shown.push(piece);
  await end.close();
  return Buffer.concat(shown);
}

test("a log below its bound passes as it comes, and nothing is written", async () => {
  const log = boundLog({ headBytes: 4, tailBytes: 4 });

  expect(log.push(Buffer.from("abcd")).head.toString()).toBe("abcd");
  expect(log.push(Buffer.from("")).rest.toString()).toBe("");
  expect(log.gap().toString()).toBe("");
  expect((await through({ headBytes: 4, tailBytes: 4 }, [Buffer.from("abcd")])).toString()).toBe(
    "abcd",
  );
});

test("the end of a log leaves nothing on the disk, whatever becomes of its process", async () => {
  const end = ringFile(dir, 2 ** 20);

  await end.write(Buffer.alloc(2 ** 20, "x"));
  const files = await readdir(dir);
  let bytes = 0;
  for await (const piece of end.read()) bytes += piece.length;
  await end.close();

  expect(files).toEqual([]);
  expect(bytes).toBe(2 ** 20);
});

test("the end of a log that is many times as long is exact", async () => {
  const size = 700 * 1024;
  const all = Buffer.from(Array.from({ length: 400_000 }, (_none, line) => `${line}\n`).join(""));
  const chunks = Array.from({ length: Math.ceil(all.length / 10_007) }, (_none, index) =>
    all.subarray(index * 10_007, (index + 1) * 10_007),
  );

  const shown = await through({ headBytes: 0, tailBytes: size }, chunks);

  expect(shown.subarray(shown.indexOf("]\n") + 2).equals(all.subarray(all.length - size))).toBe(
    true,
  );
});

test("a log over its bound keeps head and tail, and says in between how much is missing", async () => {
  const shown = await through({ headBytes: 4, tailBytes: 3 }, [
    Buffer.from("abcdefg"),
    Buffer.from("hij"),
  ]);

  expect(shown.toString()).toBe("abcd\n[tatara: 3 bytes of this log were left out here]\nhij");
});

test("a log that just fits head and tail has no gap", async () => {
  const shown = await through({ headBytes: 4, tailBytes: 3 }, [
    Buffer.from("abcde"),
    Buffer.from("fg"),
  ]);

  expect(shown.toString()).toBe("abcdefg");
});

test("however it is cut, head and tail are exact and the gap is counted right", async () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(
      chunks,
      fc.nat(30),
      fc.integer({ min: 1, max: 30 }),
      async (parts, headBytes, tailBytes) => {
        const all = Buffer.concat(parts);
        const shown = await through(
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
