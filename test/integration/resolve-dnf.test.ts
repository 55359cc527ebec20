import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openResolver } from "../../src/yum/resolve/resolver.ts";
import type { AddedPackage, Resolver } from "../../src/yum/resolve/resolver.ts";
import { makeRpmSet } from "../support/make-rpm-set.ts";
import type { SubpackageWish } from "../support/make-rpm-set.ts";
import { askPython } from "../support/python-oracle.ts";
import { resolveTarget, stateOf } from "../support/resolve-target.ts";
import type { ResolveTarget } from "../support/resolve-target.ts";

/** For each set of files: which of them dnf's solver can install when it has the others too. */
const DNF_INSTALLS = `
import hawkey, json, sys, tempfile
answers = []
with tempfile.TemporaryDirectory() as cache:
    for paths in json.load(sys.stdin):
        installable = []
        sack = hawkey.Sack(cachedir=cache, arch="x86_64", rootdir=cache)
        packages = [(path, sack.add_cmdline_package(path)) for path in paths]
        for path, package in packages:
            goal = hawkey.Goal(sack)
            goal.install(package)
            if goal.run(ignore_weak=True):
                installable.append(path)
        answers.append(installable)
print(json.dumps(answers))
`;

const SEED = 20_260_102;
const NAMES = ["a", "b", "c", "d", "e", "f", "g", "h"];
const CAPABILITIES = ["cap-x", "cap-y", "cap(z)(64bit)"];
/** Nobody requires them but as the condition of a rich dependency, so nothing forces them. */
const CONDITIONS = ["when-p", "when-q"];
const BUILDS = 12;
const SCENARIOS = 400;

const sign = fc.constantFrom("=", "<", "<=", ">", ">=");
const evr = fc
  .tuple(
    fc.constantFrom("", "", "1:"),
    fc.constantFrom("1.0", "1.5", "2.0", "2.0~rc1"),
    fc.constantFrom("", "", "-1", "-5"),
  )
  .map((parts) => parts.join(""));
const thing = fc.constantFrom(...NAMES, ...CAPABILITIES, "missing");
const relation = fc.oneof(
  thing,
  fc.tuple(thing, sign, evr).map((parts) => parts.join(" ")),
);

function wishOf(name: string, build: number): fc.Arbitrary<SubpackageWish> {
  const file = fc.constantFrom(...NAMES).map((other) => `/usr/share/${other}-file`);
  const condition = fc.constantFrom(...CONDITIONS, name);
  // With an `else`, one package could force the condition of another: that we do not look for.
  const decided = fc.constantFrom(name, "missing");
  const rich = fc.oneof(
    fc.tuple(relation, fc.constantFrom("and", "or"), relation),
    fc.tuple(relation, fc.constantFrom("with", "without"), relation),
    fc.tuple(relation, fc.constant("if"), condition),
    fc.tuple(relation, fc.constant("if"), decided, fc.constant("else"), relation),
  );
  const requires = fc.oneof(
    { weight: 4, arbitrary: relation },
    { weight: 1, arbitrary: file },
    { weight: 3, arbitrary: rich.map((parts) => `(${parts.join(" ")})`) },
  );
  const provides = fc
    .tuple(fc.constantFrom(...CAPABILITIES), sign, evr)
    .map((parts) => parts.join(" "));
  return fc
    .record({
      version: fc.constantFrom("1.0", "1.5", "2.0"),
      epoch: fc.constantFrom(0, 0, 0, 1),
      provides: fc.array(fc.oneof(provides, fc.constantFrom(...CAPABILITIES)), { maxLength: 2 }),
      requires: fc.array(requires, { maxLength: 3 }),
      hasFile: fc.boolean(),
    })
    .map(({ version, epoch, provides, requires, hasFile }) => ({
      name,
      version,
      epoch,
      release: String(build),
      preamble: [
        ...provides.map((each) => `Provides: ${each}`),
        ...requires.map((each) => `Requires: ${each}`),
      ],
      files: hasFile ? [`/usr/share/${name}-file`] : [],
    }));
}

let target: ResolveTarget;
let variants: ReadonlyMap<string, readonly AddedPackage[]>;

beforeAll(async () => {
  target = await resolveTarget();
  const pooled: AddedPackage[] = [];
  for (let build = 1; build <= BUILDS; build++) {
    const names = NAMES.map((name) => wishOf(name, build));
    const conditions = CONDITIONS.map((name) => ({ name, release: String(build) }));
    const [wishes = []] = fc.sample(fc.tuple(...names), { numRuns: 1, seed: SEED + build });
    const made = await makeRpmSet([...wishes, ...conditions]);
    for (const rpm of made.values()) pooled.push(await target.pool(rpm));
  }
  variants = Map.groupBy(pooled, ({ rpm }) => rpm.nevra.name);
});

afterAll(() => target[Symbol.asyncDispose]());

test("what dnf can install is what the resolver lets in, on random sets of packages", async () => {
  const sets = randomSets();
  const paths = sets.map((set) => set.map(({ listed }) => target.layout.package(listed)));

  const expected = await askPython<readonly (readonly string[])[]>(DNF_INSTALLS, paths);

  const resolver = openResolver(target.layout);
  for (const [number, set] of sets.entries()) {
    const kept = await withoutProblems(resolver, set);
    const files = kept.map(({ listed }) => target.layout.package(listed));
    expect(files.toSorted(), describeSet(number, set)).toEqual(expected[number]?.toSorted());
  }
  // A set in which everything, or nothing, can be installed would prove little.
  expect(expected.flat().length).toBeGreaterThan(SCENARIOS);
  expect(paths.flat().length - expected.flat().length).toBeGreaterThan(SCENARIOS);
});

/** At most one version of each name, as on a host. */
function randomSets(): readonly (readonly AddedPackage[])[] {
  const choice = fc.tuple(
    ...[...variants.values()].map((each) => fc.option(fc.constantFrom(...each), { freq: 4 })),
  );
  return fc
    .sample(choice, { numRuns: SCENARIOS, seed: SEED })
    .map((set) => set.filter((each) => each !== null));
}

/**
 * Takes away what has a problem until nothing has: the rest can be installed. Half of the packages
 * are listed and half are added, then the other way round.
 */
async function withoutProblems(
  resolver: Resolver,
  set: readonly AddedPackage[],
): Promise<readonly AddedPackage[]> {
  const isEven = (_: unknown, index: number): boolean => index % 2 === 0;
  const isOdd = (_: unknown, index: number): boolean => index % 2 === 1;
  const base = { providersOf: () => Promise.resolve([]) };
  const refused = new Set<string>();
  for (const [added, listed] of [
    [set.filter(isEven), set.filter(isOdd)],
    [set.filter(isOdd), set.filter(isEven)],
  ] as const) {
    const segment = await target.seal(listed.slice(2));
    const state = stateOf([segment], listed.slice(0, 2));
    const change = { target: "el9.x86_64", state, add: added, remove: [], base };
    for (const { nevra, code } of await resolver.check(change))
      if (code === "REQUIRES_UNSATISFIED") refused.add(nevra);
  }
  if (refused.size === 0) return set;
  return await withoutProblems(
    resolver,
    set.filter(({ listed }) => !refused.has(listed.nevra)),
  );
}

function describeSet(number: number, set: readonly AddedPackage[]): string {
  const lines = set.map(({ listed, rpm }) => {
    const of = (kind: "provides" | "requires"): string =>
      rpm.relations[kind].map(({ name, flags, evr }) => `${name} ${flags} ${evr}`).join(", ");
    return `${join("/", listed.nevra)}: provides ${of("provides")}; requires ${of("requires")}`;
  });
  return `seed ${SEED}, set ${number}\n${lines.join("\n")}\n`;
}
