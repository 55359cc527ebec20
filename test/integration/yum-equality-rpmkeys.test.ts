import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkDigests } from "../../src/yum/rpm/check-digests.ts";
import { RpmRefused } from "../../src/yum/rpm/read-rpm.ts";
import {
  headerBytes,
  int16,
  int32,
  int64,
  PLAIN,
  rpmAround,
  text,
  texts,
} from "../support/rpm-bytes.ts";
import type { RpmEntry } from "../support/rpm-bytes.ts";
import { areDigestsAccepted } from "../support/rpmkeys.ts";

const RPMS_PER_RUN = 400;
const ENTRY_BYTES = 16;
const PAYLOAD = Buffer.from("payload");
const PAYLOAD_DIGEST = "239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5";

const MAIN: readonly RpmEntry[] = [
  ...PLAIN,
  int32(1003, [3]),
  int16(1030, [0o100644, 0o40755]),
  int32(1037, [0, 64]),
  int64(5009, [2 ** 33]),
  texts(1117, ["a", "b"]),
  texts(5092, [PAYLOAD_DIGEST]),
  int32(5093, [8]),
  texts(5097, [PAYLOAD_DIGEST]),
].toSorted((a, b) => a.tag - b.tag);

const EVIL = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 63, 99, 269, 273, 1000, 1004, 5092, 0x7fffffff, 0xffffffff,
];

/** Words of a header's intro, index and trailer, and by what each is replaced or moved. */
const wordChanges = fc.array(
  fc.record({
    at: fc.nat(400),
    change: fc.oneof(
      fc.constantFrom(...EVIL).map((value) => () => value),
      fc.constantFrom(-16, -4, -1, 1, 4, 16).map((by) => (old: number) => old + by),
    ),
  }),
  { minLength: 1, maxLength: 2 },
);

type WordChanges = typeof wordChanges extends fc.Arbitrary<infer Changes> ? Changes : never;

function changeWords(bytes: Buffer, start: number, changes: WordChanges): Buffer {
  const copy = Buffer.from(bytes);
  const entries = bytes.readUInt32BE(start + 8);
  for (const { at, change } of changes) {
    const word = start + 8 + (at % (2 + entries * (ENTRY_BYTES / 4))) * 4;
    copy.writeUInt32BE(change(copy.readUInt32BE(word)) >>> 0, word);
  }
  return copy;
}

const header = headerBytes(63, MAIN);
const hostile = fc.oneof(
  // A header of lies whose digests are right.
  wordChanges.map((changes) => rpmAround(changeWords(header, 0, changes), { payload: PAYLOAD })),
  // A signature header of lies.
  wordChanges.map((changes) => changeWords(rpmAround(header, { payload: PAYLOAD }), 96, changes)),
  // Wrong digests of all forms.
  fc
    .tuple(
      fc.constantFrom(269, 273, 1004, 1000, 271),
      fc.constantFrom("", "zz", "0".repeat(40), "0".repeat(64), "f".repeat(63)),
      fc.boolean(),
    )
    .map(([tag, value, isList]) => {
      const entry = isList ? texts(tag, [value]) : text(tag, value);
      return rpmAround(header, { payload: PAYLOAD, signature: [entry] });
    }),
  // Anything flipped.
  fc.array(fc.tuple(fc.nat(2000), fc.nat(7)), { maxLength: 3 }).map((flips) => {
    const bytes = rpmAround(header, { payload: PAYLOAD });
    for (const [at, bit] of flips) {
      const index = at % bytes.length;
      bytes[index] = (bytes[index] ?? 0) ^ (1 << bit);
    }
    return bytes;
  }),
);

/** The seed finds them again; their bytes would fill a failure's report. */
function shownByLength(bytes: Buffer): Buffer {
  return Object.assign(bytes, { [fc.toStringMethod]: () => `${bytes.length} bytes` });
}

async function isTaken(path: string): Promise<boolean> {
  try {
    await checkDigests(path);
    return true;
  } catch (err) {
    expect(err).toBeInstanceOf(RpmRefused);
    return false;
  }
}

test("what rpmkeys refuses we refuse, whatever is wrong with it", async () => {
  const seen = { bothTake: 0, bothRefuse: 0, weRefuse: 0 };
  const batch = fc.array(hostile.map(shownByLength), {
    minLength: RPMS_PER_RUN,
    maxLength: RPMS_PER_RUN,
  });

  await fc.assert(
    fc.asyncProperty(batch, async (rpms) => {
      const { ours, theirs } = await answers(rpms);

      const wronglyTaken = rpms.filter((_, index) => ours[index] && !theirs[index]);
      expect(wronglyTaken.slice(0, 1).map((bytes) => bytes.toString("base64"))).toEqual([]);
      for (const [index, isOurs] of ours.entries()) {
        const refusal = theirs[index] === true ? "weRefuse" : "bothRefuse";
        seen[isOurs ? "bothTake" : refusal] += 1;
      }
    }),
    { numRuns: 4, endOnFailure: true },
  );

  expect(seen.bothTake).toBeGreaterThan(50);
  expect(seen.bothRefuse).toBeGreaterThan(500);
  // What we refuse beyond that is what librpm refuses later, when it loads the header, or a wrong length.
  expect(seen.weRefuse).toBeLessThan(seen.bothRefuse);
});

async function answers(rpms: readonly Buffer[]) {
  const folder = await mkdtemp(join(tmpdir(), "tatara-rpmkeys-"));
  try {
    const paths = rpms.map((_, index) => join(folder, `${index}.rpm`));
    await Promise.all(paths.map((path, index) => writeFile(path, rpms[index] ?? "")));
    return {
      theirs: await areDigestsAccepted(paths),
      ours: await Promise.all(paths.map(isTaken)),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}
