import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compareEvr, compareRpmVersions } from "../../src/domain/rpm-version.ts";

/** Compares versions, or whole EVRs, as `rpmdev-vercmp` does: by librpm. */
const COMPARE_LINES =
  'for line in io.lines("FILE") do local a, b = line:match("([^ ]*) ([^ ]*)") print(rpm.vercmp(a, b) .. " ") end';
const PAIRS_PER_CALL = 500;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tatara-vercmp-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

type Pair = readonly [string, string];

/** Asks rpm itself, many pairs in one call. They must not contain spaces. */
function askRpm(pairs: readonly Pair[]): readonly number[] {
  const file = join(folder, "pairs");
  writeFileSync(file, pairs.map(([a, b]) => `${a} ${b}\n`).join(""));
  const script = `%{lua: ${COMPARE_LINES.replace("FILE", file)}}`;
  const answer = execFileSync("rpm", ["--eval", script], { encoding: "utf8" });
  return answer.trim().split(/\s+/).map(Number);
}

function expectTheSame(pairs: readonly Pair[], compare: (a: string, b: string) => number): void {
  const ours = pairs.map(([a, b]) => `${a} ${b} ${compare(a, b)}`);
  const theirs = askRpm(pairs).map((order, index) => `${pairs[index]?.join(" ")} ${order}`);

  expect(ours).toEqual(theirs);
}

/** Each with each other. */
const TABLE = [
  "1",
  "1.0",
  "1.0.0",
  "1.1",
  "1.10",
  "1.2",
  "01",
  "1.001",
  "10",
  "2",
  "20101121",
  "20101122",
  "1.0a",
  "1.0aa",
  "1.a",
  "a",
  "A",
  "a1",
  "1a",
  "10a2",
  "10b1",
  "1.0rc1",
  "1.0.rc1",
  "5.5p10",
  "5.5p2",
  "1.0~",
  "1.0~~",
  "1.0~rc1",
  "1.0~rc2",
  "1.0~rc1^git1",
  "1.0~rc1~git1",
  "~",
  "~1",
  "1~",
  "1~1",
  "1.0^",
  "1.0^^",
  "1.0^git1",
  "1.0^git1~pre",
  "1.0^git1.1",
  "1.0^git10",
  "^",
  "^1",
  "1^",
  "1^~",
  "1~^",
  "1_0",
  "1+0",
  "1..0",
  ".1",
  "1.",
  "_",
  "+",
  "..",
  "1._",
  "1é0",
  "é",
  "ü1",
  "1.é",
  "99999999999999999999",
  "99999999999999999998",
  "0000000000000000000001",
  "0",
  "00",
  "18446744073709551616",
];

test("the versions of a table compare as rpm compares them", () => {
  expectTheSame(
    TABLE.flatMap((a) => TABLE.map((b): Pair => [a, b])),
    compareRpmVersions,
  );
});

const pieces = ["0", "1", "2", "10", "007", "a", "b", "rc", "Z", ".", "_", "+", "~", "^", ".."];
const likely = fc
  .array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 8 })
  .map((parts) => parts.join(""));
/** Whatever can be typed. A colon or a hyphen would make it more than a version. */
const printable = fc
  .string({ minLength: 1, maxLength: 12 })
  .map((text) => text.replace(/[ :-]/g, "+"));

/** Two that differ late: random ones are mostly told apart by their first piece. */
function pairOf(version: fc.Arbitrary<string>): fc.Arbitrary<Pair> {
  const late = fc.tuple(version, version, version);
  return fc.oneof(
    fc.tuple(version, version),
    late.map(([same, a, b]): Pair => [same + a, same + b]),
  );
}

function manyOf(pair: fc.Arbitrary<Pair>): fc.Arbitrary<readonly Pair[]> {
  return fc.array(pair, { minLength: PAIRS_PER_CALL, maxLength: PAIRS_PER_CALL });
}

test.each([
  ["of likely pieces", likely],
  ["of any characters", printable],
])("versions %s compare as rpm compares them", (_, version) => {
  fc.assert(
    fc.property(manyOf(pairOf(version)), (pairs) => expectTheSame(pairs, compareRpmVersions)),
    { numRuns: 15 },
  );
});

test("epoch, version and release compare as rpm compares them", () => {
  const few = fc.constantFrom("1", "1.0", "2", "1~rc1", "1^git1", "1.el9", "01");
  const evr = fc
    .tuple(fc.constantFrom(0, 1, 2, 10, 4294967295), few, few)
    .map(([epoch, version, release]) => `${epoch}:${version}-${release}`);

  fc.assert(
    fc.property(manyOf(fc.tuple(evr, evr)), (pairs) =>
      expectTheSame(pairs, (a, b) => compareEvr(parseEvr(a), parseEvr(b))),
    ),
    { numRuns: 5 },
  );
});

function parseEvr(evr: string) {
  const [, epoch, version = "", release = ""] = /^(\d+):([^-]*)-(.*)$/.exec(evr) ?? [];
  return { epoch: Number(epoch), version, release };
}
