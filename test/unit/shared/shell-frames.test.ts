import fc from "fast-check";
import { expect, test } from "vitest";
import {
  BadFrame,
  FRAME_BYTES_MAX,
  dataFrames,
  encodeFrame,
  frameReader,
  jsonFrame,
} from "../../../src/shared/shell-frames.ts";

test("frames arrive whole, however the bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 50 }),
      (bytes, cut) => {
        const sent = Buffer.concat([
          dataFrames(Buffer.from(bytes)),
          jsonFrame("exit", { code: 3 }),
        ]);
        const reader = frameReader();
        const got: { kind: string; payload: Buffer }[] = [];
        for (let at = 0; at < sent.length; at += cut) {
          got.push(...reader.push(sent.subarray(at, at + cut)));
        }
        const data = got.filter(({ kind }) => kind === "data").map(({ payload }) => payload);
        expect(Buffer.concat(data)).toEqual(Buffer.from(bytes));
        expect(got.at(-1)?.kind).toBe("exit");
        expect(reader.isBetween()).toBe(true);
      },
    ),
  );
});

test("what is longer than a frame goes in several", () => {
  const bytes = Buffer.alloc(FRAME_BYTES_MAX + 1, 7);

  const frames = frameReader().push(dataFrames(bytes));

  expect(frames.map(({ payload }) => payload.length)).toEqual([FRAME_BYTES_MAX, 1]);
});

test("an unknown kind and an endless frame are refused before they are read", () => {
  const endless = encodeFrame("data", Buffer.alloc(0));
  endless.writeUInt32BE(FRAME_BYTES_MAX + 1, 1);

  expect(() => frameReader().push(Buffer.from([9, 0, 0, 0, 0]))).toThrow(BadFrame);
  expect(() => frameReader().push(endless)).toThrow(BadFrame);
});
