import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  headerStart,
  isSigned,
  NotAnRpm,
  readRpmHead,
  signedStart,
} from "../../../workers/publish/rpm-file.ts";

let folder: string;
let serial = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-rpm-file-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

interface Entry {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly data: Buffer;
}

const SHA1 = { tag: 269, type: 6, count: 1, data: Buffer.from("0123456789\0") };
const SIZE = { tag: 1000, type: 4, count: 1, data: Buffer.from("00000100", "hex") };
const RESERVED = { tag: 1008, type: 7, count: 4_000, data: Buffer.alloc(4_000) };
const MAIN = header([{ tag: 1000, type: 6, count: 1, data: Buffer.from("hello\0") }]);
const PAYLOAD = Buffer.from("payload");

/** As rpm lays it out: a region over all entries, data aligned by type. */
function header(entries: readonly Entry[]): Buffer {
  const data: Buffer[] = [];
  const index: number[][] = [];
  let at = 0;
  for (const entry of entries) {
    const gap = entry.type === 4 ? (4 - (at % 4)) % 4 : 0;
    index.push([entry.tag, entry.type, at + gap, entry.count]);
    data.push(Buffer.alloc(gap), entry.data);
    at += gap + entry.data.length;
  }
  const count = entries.length + 1;
  const numbers = [[0x8eade801, 0, count, at + 16], [62, 7, at, 16], ...index].flat();
  const trailer = [62, 7, -16 * count, 16];
  return Buffer.concat([words(numbers), ...data, words(trailer)]);
}

function words(numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4);
  numbers.forEach((number, i) => bytes.writeInt32BE(number | 0, i * 4));
  return bytes;
}

function rpmOf(entries: readonly Entry[]): Buffer {
  const lead = Buffer.alloc(96);
  lead.write("edabeedb", "hex");
  const signature = header(entries);
  const padding = Buffer.alloc((8 - (signature.length % 8)) % 8);
  return Buffer.concat([lead, signature, padding, MAIN, PAYLOAD]);
}

async function fileOf(bytes: Uint8Array): Promise<string> {
  serial += 1;
  const path = join(folder, String(serial));
  await writeFile(path, bytes);
  return path;
}

test("a signature takes its room from the reserved space, so that nothing else moves", async () => {
  const rpm = rpmOf([SHA1, SIZE, RESERVED]);
  const head = await readRpmHead(await fileOf(rpm));

  const start = signedStart(head, Buffer.alloc(566, 7));

  expect(isSigned(head)).toBe(false);
  expect(head.header.equals(MAIN)).toBe(true);
  expect(start).toHaveLength(headerStart(head));
  const signed = Buffer.concat([start, rpm.subarray(headerStart(head))]);
  const again = await readRpmHead(await fileOf(signed));
  expect(isSigned(again)).toBe(true);
  expect(again.header.equals(MAIN)).toBe(true);
  expect(again.signatures.map(({ tag }) => tag)).toEqual([268, 269, 1000, 1008]);
});

test("without reserved space the header moves and stays aligned", async () => {
  const head = await readRpmHead(await fileOf(rpmOf([SHA1, SIZE])));

  const start = signedStart(head, Buffer.alloc(565, 7));

  expect(start.length).toBeGreaterThan(headerStart(head));
  expect(start.length % 8).toBe(0);
  const again = await readRpmHead(await fileOf(Buffer.concat([start, MAIN, PAYLOAD])));
  expect(again.header.equals(MAIN)).toBe(true);
  expect(again.signatures.find(({ tag }) => tag === 1000)?.data).toEqual(SIZE.data);
});

test("a second signature is seen, of whatever kind", async () => {
  for (const tag of [267, 268, 278, 1002, 1005]) {
    const entries = [SHA1, { tag, type: 7, count: 3, data: Buffer.from("sig") }];
    const sorted = entries.toSorted((a, b) => a.tag - b.tag);

    expect(isSigned(await readRpmHead(await fileOf(rpmOf(sorted))))).toBe(true);
  }
});

test("whatever the bytes are, reading ends in a head or in NotAnRpm", async () => {
  const good = rpmOf([SHA1, SIZE, RESERVED]);
  const change = fc.record({
    at: fc.nat({ max: 96 + 16 * 6 + 40 }),
    byte: fc.nat({ max: 255 }),
  });
  const spoiled = fc.tuple(fc.array(change, { maxLength: 8 }), fc.nat({ max: good.length }));

  await fc.assert(
    fc.asyncProperty(spoiled, async ([changes, length]) => {
      const bytes = Buffer.from(good);
      for (const { at, byte } of changes) bytes[at] = byte;
      const path = await fileOf(bytes.subarray(0, length));
      const end = await readRpmHead(path).then(
        (head) => signedStart(head, Buffer.alloc(566)).length > 0,
        (err: unknown) => err instanceof NotAnRpm,
      );
      expect(end).toBe(true);
    }),
    { numRuns: 300 },
  );
});
