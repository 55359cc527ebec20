import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compareRpmVersions } from "../../src/domain/rpm-version.ts";

const PAIRS_PER_CALL = 500;

/** Asks rpm itself, many pairs in one call. The characters below need no quoting in Lua or macros. */
function askRpm(pairs: readonly (readonly [string, string])[]): readonly number[] {
  const calls = pairs.map(([a, b]) => `print(rpm.vercmp("${a}","${b}").." ")`).join(" ");
  const answer = execFileSync("rpm", ["--eval", `%{lua: ${calls}}`], { encoding: "utf8" });
  return answer.trim().split(/\s+/).map(Number);
}

test("versions compare as rpm compares them", () => {
  const pieces = fc.constantFrom(
    "0",
    "1",
    "2",
    "10",
    "007",
    "a",
    "b",
    "rc",
    "Z",
    ".",
    "_",
    "+",
    "~",
    "^",
    "..",
  );
  const version = fc.array(pieces, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(""));
  const pair = fc.oneof(fc.tuple(version, version), nearlyTheSame(version));
  const batch = fc.array(pair, { minLength: PAIRS_PER_CALL, maxLength: PAIRS_PER_CALL });

  fc.assert(
    fc.property(batch, (pairs) => {
      const ours = pairs.map(([a, b]) => `${a} ${b} ${compareRpmVersions(a, b)}`);
      const theirs = askRpm(pairs).map((order, index) => `${pairs[index]?.join(" ")} ${order}`);

      expect(ours).toEqual(theirs);
    }),
    { numRuns: 20 },
  );
});

/** Two versions that differ late: random ones are mostly told apart by their first piece. */
function nearlyTheSame(version: fc.Arbitrary<string>): fc.Arbitrary<readonly [string, string]> {
  return fc.tuple(version, version, version).map(([same, a, b]) => [same + a, same + b] as const);
}
