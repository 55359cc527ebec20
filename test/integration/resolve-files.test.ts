import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openResolver } from "../../src/yum/resolve/resolver.ts";
import type { AddedPackage, Problem } from "../../src/yum/resolve/resolver.ts";
import { makeRpm } from "../support/make-rpm.ts";
import type { RpmWish } from "../support/make-rpm.ts";
import { askPython } from "../support/python-oracle.ts";
import { resolveTarget, stateOf } from "../support/resolve-target.ts";
import type { ResolveTarget } from "../support/resolve-target.ts";

/** For each pair of files: does rpm's own transaction test find a conflict of files? */
const RPM_CONFLICTS = `
import json, os, rpm, sys
question = json.load(sys.stdin)
rpm.setVerbosity(rpm.RPMLOG_CRIT)
rpm.addMacro("_pkgverify_level", "none")
answers = []
opened = {}
def callback(what, amount, total, path, data):
    if what == rpm.RPMCALLBACK_INST_OPEN_FILE:
        opened[path] = os.open(path, os.O_RDONLY)
        return opened[path]
    if what == rpm.RPMCALLBACK_INST_CLOSE_FILE:
        os.close(opened.pop(path))
for pair in question["pairs"]:
    ts = rpm.TransactionSet(question["root"])
    ts.setVSFlags(-1)
    ts.setFlags(rpm.RPMTRANS_FLAG_TEST)
    for path in pair:
        descriptor = os.open(path, os.O_RDONLY)
        ts.addInstall(ts.hdrFromFdno(descriptor), path, "i")
        os.close(descriptor)
    problems = ts.run(callback, None) or []
    answers.append(any(kind == rpm.RPMPROB_NEW_FILE_CONFLICT for _, (kind, *_) in problems))
print(json.dumps(answers))
`;

const SEED = 77;
const PACKAGES = 26;
const PATHS = ["/opt/shared/one", "/opt/shared/two", "/opt/shared/three"];

/** How a package has a path: commands that make it, and its line in `%files`. */
const KINDS = [
  ["nothing", ""],
  ["nothing", ""],
  ["nothing", ""],
  ["nothing", ""],
  ["printf A > P", "P"],
  ["printf A > P", "P"],
  ["printf B > P", "P"],
  ["printf A > P", "%attr(600, root, root) P"],
  ["printf A > P", "%attr(644, daemon, root) P"],
  ["printf A > P", "%config(noreplace) P"],
  ["printf A > P", "%ghost P"],
  ["ln -s here P", "P"],
  ["ln -s there P", "P"],
  ["mkdir -p P", "%dir P"],
  ["mkdir -p P", "%dir P"],
  ["mkdir -p P", "%dir %attr(700, root, root) P"],
] as const;

const oddities = fc.tuple(
  fc.tuple(...PATHS.map(() => fc.constantFrom(...KINDS))),
  fc.option(fc.constantFrom("Conflicts", "Obsoletes"), { freq: 4 }),
);

let target: ResolveTarget;
const pooled: AddedPackage[] = [];

beforeAll(async () => {
  target = await resolveTarget();
  const samples = fc.sample(oddities, { numRuns: PACKAGES, seed: SEED });
  const wishes = samples.map(([kinds, relation], number): RpmWish => {
    const other = `: odd-${(number + 1) % PACKAGES}`;
    const at = (text: string, path: string): string => text.replaceAll(/\bP\b/g, path);
    return {
      name: `odd-${number}`,
      preamble: relation === null ? [] : [relation + other],
      install: [
        "mkdir -p %{buildroot}/opt/shared",
        ...PATHS.map((path, index) =>
          kinds[index]?.[0] === "nothing"
            ? ":"
            : at(kinds[index]?.[0] ?? ":", `%{buildroot}${path}`),
        ),
      ],
      files: PATHS.map((path, index) => at(kinds[index]?.[1] ?? "", path)),
    };
  });
  for (const wish of wishes) pooled.push(await target.pool(await makeRpm(wish)));
});

afterAll(() => target[Symbol.asyncDispose]());

test("files conflict when rpm says so, for every pair of odd packages", async () => {
  await using root = await emptyRoot();
  const pairs = pooled.flatMap((a, index) => pooled.slice(index + 1).map((b) => [a, b] as const));
  const paths = pairs.map((pair) => pair.map(({ listed }) => target.layout.package(listed)));

  const expected = await askPython<readonly boolean[]>(RPM_CONFLICTS, {
    root: root.path,
    pairs: paths,
  });

  const wrong: string[] = [];
  for (const [index, [a, b]] of pairs.entries()) {
    const problems = await conflicts([b], [a]);
    const isExpected = expected[index] === true && !excludes(a, b) && !excludes(b, a);
    if (problems.length > 0 !== isExpected) wrong.push(describePair(a, b));
    expect((await conflicts([a, b])).length).toBe(problems.length);
  }
  expect(wrong).toEqual([]);
  expect(expected.filter(Boolean).length).toBeGreaterThan(50);
  expect(expected.filter((each) => !each).length).toBeGreaterThan(50);
});

test("the message names both packages and a path, and a package's other versions do not count", async () => {
  const make = async (name: string, version: string, content: string): Promise<AddedPackage> => {
    const install = [
      "mkdir -p %{buildroot}/opt/shared",
      `printf ${content} > %{buildroot}/opt/shared/tool`,
      `printf ${content} > %{buildroot}/opt/shared/more`,
    ];
    return await target.pool(
      await makeRpm({ name, version, install, files: ["/opt/shared/tool", "/opt/shared/more"] }),
    );
  };
  const [ours, newer, theirs, equal] = await Promise.all([
    make("tool", "1.0", "old"),
    make("tool", "2.0", "new"),
    make("rival", "1.0", "old"),
    make("rival", "2.0", "new"),
  ]);

  expect(await conflicts([newer], [ours])).toEqual([]);
  expect(await conflicts([newer, equal], [ours, theirs])).toEqual([]);
  expect(await conflicts([newer], [ours, theirs])).toEqual([
    {
      code: "FILE_CONFLICT",
      nevra: "tool-2.0-1.noarch",
      message:
        "tool-2.0-1.noarch and rival-1.0-1.noarch both install /opt/shared/more and 1 more path, and differ in it.",
      hint: "Leave it to one of them, install it elsewhere, or let tool say Conflicts: rival.",
    },
  ]);
});

async function emptyRoot() {
  const path = await mkdtemp(join(tmpdir(), "tatara-root-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

function conflicts(
  add: readonly AddedPackage[],
  listed: readonly AddedPackage[] = [],
): Promise<readonly Problem[]> {
  const state = stateOf([], listed);
  const request = { target: "el9.x86_64", state, add, remove: [], base: undefined };
  return openResolver(target.layout).check(request);
}

/** Then rpm refuses the pair, or replaces one by the other, before it looks at files. */
function excludes({ rpm }: AddedPackage, other: AddedPackage): boolean {
  const { conflicts, obsoletes } = rpm.relations;
  return [...conflicts, ...obsoletes].some(({ name }) => name === other.rpm.nevra.name);
}

function describePair(...pair: readonly AddedPackage[]): string {
  return pair
    .map(({ rpm }) => {
      const files = rpm.files.filter(({ path }) => path.startsWith("/opt"));
      const said = files.map(({ path, kind, mode, user, digest, linkTarget }) =>
        [path, kind, mode.toString(8), user, digest.slice(0, 4), linkTarget].join(" "),
      );
      return `${rpm.nevra.name}: ${said.join(", ")}`;
    })
    .join(" | ");
}
