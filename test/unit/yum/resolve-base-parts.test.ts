import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { relationsMeet } from "../../../src/domain/rpm-relation.ts";
import { nameTableBuilder, providersIn } from "../../../src/yum/base-repositories/name-table.ts";
import { zstdFrameEnds } from "../../../src/yum/base-repositories/zstd-frames.ts";

test("the ends of zstd frames are found, whatever is in them", () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes)),
    fc.nat(400_000).map((length) => Buffer.alloc(length, "a")),
    fc.nat(400_000).map((length) => Buffer.from(Array.from({ length }, (_, at) => at % 251))),
  );
  const options = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
  fc.assert(
    fc.property(fc.array(fc.tuple(content, fc.boolean()), { maxLength: 5 }), (contents) => {
      const frames = contents.map(([bytes, isChecked]) =>
        isChecked ? zstdCompressSync(bytes, options) : zstdCompressSync(bytes),
      );
      let end = 0;
      const expected = frames.map((frame) => (end += frame.length));

      expect(zstdFrameEnds(Buffer.concat(frames))).toEqual(expected);
    }),
    { numRuns: 60 },
  );
});

test("what is no zstd, or is cut off, is refused", () => {
  const frame = zstdCompressSync(Buffer.from("hello"));

  for (let length = 1; length < frame.length; length++)
    expect(() => zstdFrameEnds(frame.subarray(0, length))).toThrow("It is cut off.");
  expect(() => zstdFrameEnds(Buffer.from("plain text"))).toThrow("It is no zstd.");
});

test("a table of names answers as a search through the list would", () => {
  const relation = fc.record({
    name: fc.constantFrom("a", "b", "libc.so.6(GLIBC_2.34)(64bit)", "/bin/sh"),
    flags: fc.constantFrom(0, 2, 4, 8, 10, 12),
    evr: fc.constantFrom("", "0:1-1", "1", "1:0.5-2"),
  });
  fc.assert(
    fc.property(fc.array(relation), relation, (provided, wanted) => {
      const builder = nameTableBuilder();
      provided.forEach((each, number) => builder.add(each, number));

      const found = providersIn(builder.build(), wanted, 1_000);

      const expected = provided.flatMap((each, at) => (relationsMeet(each, wanted) ? [at] : []));
      expect(found.toSorted((a, b) => a - b)).toEqual(expected);
    }),
  );
});
