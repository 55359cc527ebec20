import fc from "fast-check";
import { expect, test } from "vitest";
import { relationsMeet } from "../../src/domain/rpm-relation.ts";
import type { RpmRelation } from "../../src/domain/rpm-relation.ts";
import { askPython } from "../support/python-oracle.ts";

const RPM_COMPARES = `
import json, rpm, sys
def dependency(relation, kind):
    made = rpm.ds((relation["name"], relation["flags"], relation["evr"]), kind)
    next(made)
    return made
print(json.dumps([dependency(a, "provides").Compare(dependency(b, "requires")) for a, b in json.load(sys.stdin)]))
`;

const number = fc.constantFrom("0", "1", "2", "02", "10", "1.0", "1.1", "1.0.1", "2~rc1", "2^git");
const evr = fc
  .tuple(fc.constantFrom("", "", "0:", "1:", ":", "x:"), number, fc.option(number))
  .map(([epoch, version, release]) => `${epoch}${version}${release === null ? "" : `-${release}`}`);
const relation: fc.Arbitrary<RpmRelation> = fc.oneof(
  { weight: 9, arbitrary: relationOf(fc.constantFrom(2, 4, 8, 10, 12)) },
  { weight: 1, arbitrary: relationOf(fc.constantFrom(0, 6)) },
);

function relationOf(flags: fc.Arbitrary<number>): fc.Arbitrary<RpmRelation> {
  return fc.record({
    name: fc.constantFrom("a", "a", "a", "b"),
    flags,
    evr: fc.oneof({ weight: 9, arbitrary: evr }, { weight: 1, arbitrary: fc.constant("") }),
  });
}

test("relations meet when rpm says so", async () => {
  const pairs = fc.sample(fc.tuple(relation, relation), { numRuns: 20_000, seed: 3 });

  const expected = await askPython<readonly boolean[]>(RPM_COMPARES, pairs);

  const wrong = pairs.filter(([a, b], index) => relationsMeet(a, b) !== expected[index]);
  expect(wrong.slice(0, 10)).toEqual([]);
});
