import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nameKey } from "../../../src/yum/resolve/name-key.ts";
import {
  IndexUnusable,
  SECTIONS,
  openSegmentIndex,
  segmentIndex,
} from "../../../src/yum/resolve/segment-index.ts";
import { anRpm } from "../../support/an-rpm.ts";

const hello = anRpm({
  name: "hello",
  provides: ["hello = 1.0-1", "greeter"],
  requires: ["libgreet >= 2", "bash", "/bin/sh", "rpmlib(X) <= 4", "(cat if dog >= 2)"],
  conflicts: ["goodbye"],
  obsoletes: ["hallo < 1"],
  files: ["/usr/bin/hello", "/usr/share/hello/"],
});
const greet = anRpm({ name: "greet", provides: ["greeter"] });

describe("the index of a segment", () => {
  test.each([
    ["provides", "greeter", [0, 1]],
    ["provides", "hello", [0]],
    ["requires", "bash", [0]],
    ["requires", "libgreet", []],
    ["requiresVersion", "libgreet", [0]],
    ["requiresVersion", "cat", [0]],
    ["requiresVersion", "dog", [0]],
    ["requiresPath", "/bin/sh", [0]],
    ["requiresVersion", "rpmlib(X)", []],
    ["conflicts", "goodbye", [0]],
    ["obsoletes", "hallo", [0]],
    ["files", "/usr/bin/hello", [0]],
    ["files", "/usr/share/hello", []],
    ["directories", "/usr/share/hello", [0]],
  ] as const)("%s %s: packages %j", (section, name, expected) => {
    const index = openSegmentIndex(segmentIndex([hello, greet]));

    expect(index.find(section, nameKey(name))).toEqual(expected);
  });

  test("finds every name of every package, and names no package without it", () => {
    const names = fc.uniqueArray(fc.string({ unit: "grapheme", maxLength: 60 }), { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(names, { maxLength: 20 }), (perPackage) => {
        const index = openSegmentIndex(
          segmentIndex(perPackage.map((provides) => anRpm({ name: "a", provides }))),
        );

        for (const name of new Set(perPackage.flat())) {
          const expected = perPackage.flatMap((provides, at) =>
            provides.includes(name) ? [at] : [],
          );
          expect(index.find("provides", nameKey(name))).toEqual(expected);
        }
        const keys = [...new Set(perPackage.flat().map(nameKey))].toSorted((a, b) => a - b);
        expect([...index.keys("provides")]).toEqual(keys);
      }),
      { numRuns: 200 },
    );
  });

  test("takes eight bytes per name, and is the same for the same packages", () => {
    const index = segmentIndex([hello, greet]);

    expect(index.length).toBe(8 + SECTIONS.length * 4 + 8 * 12);
    expect(segmentIndex([hello, greet]).equals(index)).toBe(true);
  });

  test("refuses entries out of order, and packages that it does not have", () => {
    const good = segmentIndex([hello, greet]);
    const start = 8 + SECTIONS.length * 4;
    const swapped = Buffer.from(good);
    good.copy(swapped, start, start + 8, start + 16);
    good.copy(swapped, start + 8, start, start + 8);
    const foreign = Buffer.from(good);
    foreign.writeUInt16LE(2, start);

    for (const bytes of [swapped, foreign])
      expect(() => openSegmentIndex(bytes)).toThrow("out of order");
  });

  test("refuses anything that is not one, and never crashes", () => {
    const good = segmentIndex([hello, greet]);
    fc.assert(
      fc.property(hostileFrom(good), (bytes) => {
        try {
          const index = openSegmentIndex(bytes);
          for (const section of SECTIONS) index.find(section, nameKey("greeter"));
        } catch (error) {
          expect(error).toBeInstanceOf(IndexUnusable);
        }
      }),
      { numRuns: 2_000 },
    );
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(4_096), good.subarray(0, -1)])
      expect(() => openSegmentIndex(bytes)).toThrow(IndexUnusable);
  });
});

function hostileFrom(good: Buffer): fc.Arbitrary<Buffer> {
  const changed = fc
    .tuple(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length))
    .map(([at, byte, end]) => {
      const bytes = Buffer.from(good);
      bytes[at] = byte;
      return bytes.subarray(0, end);
    });
  return fc.oneof(
    changed,
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  );
}
