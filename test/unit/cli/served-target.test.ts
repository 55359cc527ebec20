import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { forEachOf } from "../../../src/cli/yum/for-each-of.ts";
import { packagesIn, problemsOf } from "../../../src/cli/yum/served-target.ts";
import type { ServedFile } from "../../../src/cli/yum/served-target.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const OPEN = Buffer.from("<metadata>what was signed</metadata>");
const PACKED = gzipSync(OPEN);
const FILE: ServedFile = {
  type: "primary",
  href: "repodata/x-primary.xml.gz",
  sha256: sha256(PACKED),
  sizeBytes: PACKED.length,
  openSha256: sha256(OPEN),
  openSizeBytes: OPEN.length,
};

describe("a metadata file", () => {
  test("that is what the index says has no problems", async () => {
    expect(await problemsOf(FILE, new Uint8Array(PACKED))).toEqual([]);
  });

  test.each<[string, Partial<ServedFile>]>([
    ["size is", { sizeBytes: PACKED.length + 1 }],
    ["sha256 is", { sha256: sha256(OPEN) }],
    ["open size is", { openSizeBytes: OPEN.length - 1 }],
    ["open sha256 is", { openSha256: sha256(PACKED) }],
  ])("is compared with all of it: %s", async (said, other) => {
    const problems = await problemsOf({ ...FILE, ...other }, new Uint8Array(PACKED));

    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(said);
  });

  test("of which the index does not say the open checksum is compared with the rest", async () => {
    expect(await problemsOf({ ...FILE, openSha256: null }, new Uint8Array(PACKED))).toEqual([]);
  });
});

describe("the packages that primary names", () => {
  const hash = "ab".repeat(32);
  const entries = Array.from(
    { length: 5 },
    (_, at) =>
      `<package type="rpm"><checksum type="sha256" pkgid="YES">${hash}</checksum>` +
      `<size package="${at}" installed="9"/><location href="p/${hash}/é${at}.rpm"/></package>`,
  );
  const text = Buffer.from(`<metadata packages="5">${entries.join("\n")}\n</metadata>`);
  // Cut in the middle of a letter of two bytes.
  const cut = text.indexOf(0xc3) + 1;
  const parts = [text.subarray(0, cut), text.subarray(cut)];

  test.each([
    ["gz", (part: Buffer) => gzipSync(part)],
    ["zst", (part: Buffer) => zstdCompressSync(part)],
    ["xml", (part: Buffer) => part],
  ])("are found whatever parts a .%s file has", async (suffix, pack) => {
    const bytes = new Uint8Array(Buffer.concat(parts.map(pack)));

    const found = [];
    for await (const one of packagesIn(bytes, `repodata/primary.${suffix}`)) found.push(one);

    expect(found).toHaveLength(5);
    expect(found[4]).toEqual({ href: `p/${hash}/é4.rpm`, sha256: hash, sizeBytes: 4 });
  });
});

describe("work on many items", () => {
  async function* numbers(seen: number[]) {
    for (let number = 0; number < 100; number += 1) {
      seen.push(number);
      yield number;
    }
  }

  test("is done for each, a few at a time", async () => {
    let [underWay, most, done] = [0, 0, 0];

    await forEachOf(numbers([]), 3, async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await setImmediate();
      underWay -= 1;
      done += 1;
    });

    expect({ most, done }).toEqual({ most: 3, done: 100 });
  });

  test("ends at the first failure, which is thrown", async () => {
    const seen: number[] = [];

    const work = forEachOf(numbers(seen), 2, async (number) => {
      if (number === 5) throw new Error("five");
    });

    await expect(work).rejects.toThrow("five");
    expect(seen.length).toBeLessThan(12);
  });
});
