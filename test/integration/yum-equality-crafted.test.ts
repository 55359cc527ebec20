import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { RpmRefused } from "../../src/yum/rpm/read-rpm.ts";
import { compareWithCreaterepo } from "../support/createrepo-fragments.ts";
import type { ComparedRpm } from "../support/createrepo-fragments.ts";
import {
  int16,
  int32,
  int64,
  PLAIN,
  rpmBytes,
  text,
  texts,
  translated,
} from "../support/rpm-bytes.ts";
import type { RpmEntry } from "../support/rpm-bytes.ts";

/** Headers that rpmbuild does not write, but that rpm reads: old, foreign, forged. */

const RPMS_PER_RUN = 250;

const latin1 = (bytes: string): Buffer => Buffer.from(bytes, "latin1");
const TEXTS = [
  Buffer.from("plain"),
  Buffer.from(""),
  Buffer.from(" <a> & \"b\" 'c' ]]> \t\n\r "),
  Buffer.from("Ünï ☃ 🦆 \u0085\u00a0\u2028\ufffd"),
  latin1("Gr\u00fc\u00dfe \u0080\u0093\u00bf\u00c0\u00ff"),
];
/** Control characters, a surrogate, U+FFFF. */
const BAD_TEXTS = ["\u0001", "a\u001fb", "\u00ed\u00a0\u0080", "\u00ef\u00bf\u00bf"];
const NAMES = [
  "a",
  "",
  "rpmlib(X)",
  "/etc/x",
  "/usr/bin/y",
  "/usr/share/z",
  "usr/bin/y",
  "böse",
  "(a if b)",
  "libc.so.6",
  "libc.so.6()",
  "libc.so.6()(64bit)",
  "libc.so.6(",
  "libc.so.6(x)(64bit)",

  "libc.so.6(GLIBC_2.4)",
  "libc.so.6(GLIBC_2.34)(64bit)",
  "libc.so.6(GLIBC_2.4~1)",
  "libc.so.60",
];
const EVRS = [
  "",
  "1",
  "1-2",
  "0:1-2",
  "2:1-2",
  ":1-2",
  "a:1-2",
  " 1:2",
  "+1:2",
  "-1:2",
  "1 :2",
  "1-",
  "-1",
  "1:2:3-4-5",
  "-",
  ":",
  "1:",
  "99999999999999999999:1",
  "1.0~rc^x",
  "ü-é",
  "é:1",
  "0x1:1",
];
const FLAG_BITS = [1, 2, 4, 8, 64, 128, 256, 512, 1024, 2048, 1 << 14, 1 << 19, 1 << 24, 1 << 27];

const anyText = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom(...TEXTS) },
  { weight: 1, arbitrary: fc.constantFrom(...BAD_TEXTS.map(latin1)) },
);
const flags = fc
  .subarray(FLAG_BITS, { maxLength: 4 })
  .map((bits) => bits.reduce((a, b) => a | b, 0));
const uint32 = fc.oneof(fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xffffffff), fc.nat());

/** Undefined stands for an entry that is not there. */
const some = (arbitrary: fc.Arbitrary<RpmEntry>) => fc.option(arbitrary, { nil: undefined });

const textEntries = fc.tuple(
  ...[1005, 1007, 1010, 1011, 1014, 1015, 1016, 1020].map((tag) =>
    some(
      fc.oneof(
        anyText.map((value) => text(tag, value)),
        fc.array(anyText, { minLength: 1, maxLength: 3 }).map((values) => translated(tag, values)),
        fc.array(anyText, { minLength: 1, maxLength: 2 }).map((values) => texts(tag, values)),
      ),
    ),
  ),
);

const numberEntries = fc.tuple(
  ...[1003, 1006, 1009].map((tag) => some(uint32.map((value) => int32(tag, [value])))),
  some(fc.constantFrom(0, 5, 2 ** 33, 2 ** 52).map((size) => int64(5009, [size]))),
  some(fc.constantFrom(0, 1).map((value) => int32(1106, [value]))),
);

const relationEntries = fc
  .tuple(
    ...[
      [1047, 1113, 1112],
      [1049, 1050, 1048],
      [1049, 1050, 1048],
      [1054, 1055, 1053],
      [1090, 1115, 1114],
      [5049, 5050, 5051],
      [5055, 5056, 5057],
      [5046, 5047, 5048],
      [5052, 5053, 5054],
      [1156, 1157, 1158],
      [1159, 1160, 1161],
    ].map(([name = 0, version = 0, sense = 0]) =>
      fc
        .array(fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...EVRS), flags), {
          maxLength: 12,
        })
        .map((relations): readonly RpmEntry[] =>
          relations.length === 0
            ? []
            : [
                texts(
                  name,
                  relations.map(([each]) => each),
                ),
                texts(
                  version,
                  relations.map(([, evr]) => evr),
                ),
                int32(
                  sense,
                  relations.map(([, , bits]) => bits),
                ),
              ],
        ),
    ),
  )
  .map((lists) => lists.flat());

const DIRS = [
  "/etc/",
  "/usr/bin/",
  "/usr/share/",
  "/usr/lib/",
  "",
  "/",
  "/opt/cabin/",
  "/ünï/",
  "/&<>/",
];
const BASES = ["x", "y", "z", "sendmail", "", "bin", "é", '"', "a b"];
const fileEntries = fc
  .array(
    fc.record({
      dir: fc.nat(DIRS.length - 1),
      base: fc.oneof(fc.constantFrom(...BASES), anyText),
      mode: fc.constantFrom(0o100644, 0o40755, 0o120777, 0o20600, 0),
      flags: fc.constantFrom(0, 1, 64, 65, 0xffffffff),
    }),
    { maxLength: 30 },
  )
  .map((files): readonly RpmEntry[] => {
    if (files.length < DIRS.length) return [];
    return [
      int16(
        1030,
        files.map(({ mode }) => mode),
      ),
      int32(
        1037,
        files.map((file) => file.flags),
      ),
      int32(
        1116,
        files.map(({ dir }) => dir),
      ),
      texts(
        1117,
        files.map(({ base }) => base),
      ),
      texts(1118, DIRS),
    ];
  });

const changelogEntries = fc
  .array(fc.tuple(fc.constantFrom(0, 1, 2, 3, 86_400, 0xffffffff), anyText, anyText), {
    maxLength: 14,
  })
  .map((entries): readonly RpmEntry[] =>
    entries.length === 0
      ? []
      : [
          int32(
            1080,
            entries.map(([time]) => time),
          ),
          // createrepo_c reads in front of an empty author.
          texts(
            1081,
            entries.map(([, author]) => (author.length === 0 ? " " : author)),
          ),
          texts(
            1082,
            entries.map(([, , words]) => words),
          ),
        ],
  );

const signatureEntries = fc.tuple(
  some(fc.constantFrom(0, 2 ** 33).map((size) => int64(271, [size]))),
  some(uint32.map((size) => int32(1007, [size]))),
);

const crafted = fc
  .tuple(
    textEntries,
    numberEntries,
    relationEntries,
    fileEntries,
    changelogEntries,
    signatureEntries,
  )
  .map(([a, b, c, d, e, signature]) =>
    shownByLength(
      rpmBytes({
        main: [...PLAIN, ...[...a, ...b, ...c, ...d, ...e].filter((each) => each !== undefined)],
        signature: signature.filter((each) => each !== undefined),
      }),
    ),
  );

/** The seed finds them again; their bytes would fill a failure's report. */
function shownByLength(bytes: Buffer): Buffer {
  return Object.assign(bytes, { [fc.toStringMethod]: () => `${bytes.length} bytes` });
}

async function compare(rpms: readonly Buffer[]): Promise<readonly ComparedRpm[]> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-crafted-"));
  try {
    const paths = rpms.map((_, index) => join(folder, `crafted-${index}.rpm`));
    await Promise.all(paths.map((path, index) => writeFile(path, rpms[index] ?? "")));
    return await compareWithCreaterepo(paths);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("the XML of headers with anything in them is createrepo_c's where that is XML at all", async () => {
  let taken = 0;
  let refused = 0;
  const batch = fc.array(crafted, { minLength: RPMS_PER_RUN, maxLength: RPMS_PER_RUN });

  await fc.assert(
    fc.asyncProperty(batch, async (rpms) => {
      const compared = await compare(rpms);

      expect(compared.flatMap(({ differences }) => differences)).toEqual([]);
      taken += compared.filter(({ theirs }) => typeof theirs === "object").length;
      refused += compared.filter(({ ours }) => ours instanceof RpmRefused).length;
    }),
    { numRuns: 4, endOnFailure: true },
  );

  expect(taken).toBeGreaterThan(RPMS_PER_RUN);
  expect(refused).toBeGreaterThan(10);
});

test("a name and a version that read the same in a row are two things", async () => {
  const relation = ([name, version, sense]: readonly number[], who: string, evr: string) => [
    texts(name ?? 0, [who]),
    texts(version ?? 0, [evr]),
    int32(sense ?? 0, [0]),
  ];
  const main = [
    ...PLAIN,
    ...relation([1047, 1113, 1112], "", "a:1-2"),
    ...relation([1049, 1050, 1048], "a", ":1-2"),
  ];

  const [compared] = await compare([rpmBytes({ main, signature: [] })]);

  expect(compared?.differences).toEqual([]);
  expect(compared?.ours).toMatchObject({ primary: expect.stringContaining('<rpm:entry name="a"') });
});
