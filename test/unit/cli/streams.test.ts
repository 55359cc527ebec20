import { expect, test } from "vitest";
import { readFrames } from "../../../src/cli/engine-frames.ts";
import { readEvents } from "../../../src/cli/event-stream.ts";

test.each([1, 3, 1_000])(
  "events are the same when they come in pieces of %i bytes",
  async (size) => {
    const text =
      'retry: 2000\n\n: here\n\nevent: build\nid: 1\ndata: {"a":\ndata: 1}\n\ndata: é\n\nevent: cut';

    const events = await collect(readEvents(ReadableStream.from(pieces(Buffer.from(text), size))));

    expect(events).toEqual([
      { name: "build", data: '{"a":\n1}' },
      { name: "message", data: "é" },
    ]);
  },
);

test.each([1, 5, 1_000])(
  "frames are the same when they come in pieces of %i bytes",
  async (size) => {
    const bytes = Buffer.concat([
      frame(1, "out"),
      frame(2, ""),
      frame(2, "a longer error"),
      frame(1, "cut").subarray(0, 9),
    ]);

    const frames = await collect(readFrames(ReadableStream.from(pieces(bytes, size))));

    expect(frames.map((one) => Buffer.from(one).toString())).toEqual(["out", "", "a longer error"]);
  },
);

function frame(stream: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

function* pieces(bytes: Buffer, size: number): Iterable<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size)
    yield bytes.subarray(start, start + size);
}

async function collect<T>(from: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of from) all.push(one);
  return all;
}
