import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RpmRelation } from "../../src/domain/rpm-relation.ts";
import { relationsMeet } from "../../src/domain/rpm-relation.ts";
import type { BaseRepositories } from "../../src/yum/base-repositories/base-repositories.ts";
import { openResolver } from "../../src/yum/resolve/resolver.ts";
import type { AddedPackage, Problem, ResolveRequest } from "../../src/yum/resolve/resolver.ts";
import { makeRpmSet } from "../support/make-rpm-set.ts";
import type { SubpackageWish } from "../support/make-rpm-set.ts";
import { resolveTarget, stateOf } from "../support/resolve-target.ts";
import type { ResolveTarget } from "../support/resolve-target.ts";

const SET: readonly SubpackageWish[] = [
  { name: "libgreet", version: "1.4", preamble: ["Provides: libgreet.so.1()(64bit)"] },
  { name: "hello", version: "2.0", preamble: ["Requires: libgreet >= 2", "Requires: bash"] },
  { name: "modest", preamble: ["Requires: libgreet >= 1.4, libgreet.so.1()(64bit)"] },
  { name: "reader", preamble: ["Requires: /usr/share/book/text"] },
  { name: "book", files: ["/usr/share/book/text"] },
  { name: "chooser", preamble: ["Requires: (libgreet >= 2 or libgreet < 1)"] },
  { name: "selfish", preamble: ["Provides: cap = 3", "Requires: cap >= 3, selfish"] },
  { name: "hater", preamble: ["Requires: book", "Conflicts: book"] },
  { name: "alternative", preamble: ["Conflicts: book"] },
  ...Array.from({ length: 60 }, (_, number) => ({
    name: `needy-${number}`,
    preamble: ["Requires: nothing-has-this"],
  })),
];
const NEWER: SubpackageWish = { name: "libgreet", version: "2.1" };
const OLDER: SubpackageWish = { name: "libgreet", version: "1.2" };

let target: ResolveTarget;
const made = new Map<string, AddedPackage>();

beforeAll(async () => {
  target = await resolveTarget();
  for (const set of [SET, [NEWER], [OLDER]])
    for (const rpm of (await makeRpmSet(set)).values()) {
      const added = await target.pool(rpm);
      made.set(added.listed.nevra.replace(/-1\.noarch$/, ""), added);
    }
});

afterAll(() => target[Symbol.asyncDispose]());

function the(...names: readonly string[]): readonly AddedPackage[] {
  return names.map((name) => {
    const found = made.get(name);
    if (found === undefined) throw new Error(`There is no ${name}.`);
    return found;
  });
}

function check(request: Partial<ResolveRequest>): Promise<readonly Problem[]> {
  const nothing = { state: undefined, add: [], remove: [], base: undefined };
  return openResolver(target.layout).check({ target: "el9.x86_64", ...nothing, ...request });
}

/** A base that has just these. */
function baseOf(...provided: readonly RpmRelation[]): BaseRepositories {
  return {
    providersOf: (wanted) =>
      Promise.resolve(provided.some((each) => relationsMeet(each, wanted)) ? ["base"] : []),
  };
}

const BASH: RpmRelation = { name: "bash", flags: 8, evr: "5.1.8-9.el9" };

describe("what an added package requires", () => {
  test("is a problem when the channel has it in another version, and says which", async () => {
    const state = stateOf([await target.seal(the("libgreet-1.4"))]);

    const problems = await check({ state, add: the("hello-2.0") });

    expect(problems).toEqual([
      {
        code: "REQUIRES_UNSATISFIED",
        nevra: "hello-2.0-1.noarch",
        message: "hello-2.0-1.noarch requires libgreet >= 2; the channel has libgreet-1.4-1.",
        hint: "Publish libgreet >= 2 first, publish both from one push, or lower the requirement in the spec file.",
      },
    ]);
  });

  test("names the newest version that does not do", async () => {
    const state = stateOf([await target.seal(the("libgreet-1.4"))], the("libgreet-1.2"));

    const [problem] = await check({ state, add: the("hello-2.0") });

    expect(problem?.message).toContain("the channel has libgreet-1.4-1.");
  });

  test("is not judged by a package whose file cannot be read", async () => {
    const [broken] = the("modest-1.0");
    const lost = { ...broken?.listed, nevra: "lost-1.0-1.noarch", sha256: "0".repeat(64) };
    const gone = { listed: lost, rpm: the("libgreet-1.4")[0]?.rpm } as AddedPackage;
    const state = stateOf([await target.seal([gone])]);

    expect(await check({ state, add: the("hello-2.0"), base: baseOf(BASH) })).toEqual([]);
  });

  test.each([
    ["sealed", [["libgreet-1.4"], ["libgreet-2.1"]], []],
    ["sealed before an older one", [["libgreet-2.1"], ["libgreet-1.4"]], []],
    ["in the tail", [["libgreet-1.4"]], ["libgreet-2.1"]],
  ])("is found when it is %s", async (_where, sealed, tail) => {
    const segments = await Promise.all(sealed.map((names) => target.seal(the(...names))));

    expect(await check({ state: stateOf(segments, the(...tail)), add: the("hello-2.0") })).toEqual(
      [],
    );
  });

  test("is found in the same push", async () => {
    expect(await check({ add: the("hello-2.0", "libgreet-2.1") })).toEqual([]);
  });

  test("is found in the package itself", async () => {
    expect(await check({ add: the("selfish-1.0"), base: baseOf() })).toEqual([]);
  });

  test("is not found in what the same change removes", async () => {
    const state = stateOf([await target.seal(the("libgreet-2.1"))]);
    const change = { state, add: the("hello-2.0"), remove: ["libgreet-2.1-1.noarch"] };

    const [problem, ...more] = await check(change);

    expect(problem?.message).toContain("hello-2.0-1.noarch requires libgreet >= 2");
    expect(more).toEqual([]);
  });

  test("is left to the distribution when nobody in the channel has the name", async () => {
    expect(await check({ add: the("hello-2.0", "reader-1.0", "needy-1-1.0") })).toEqual([]);
  });

  test("is a problem without anybody, once base repositories are declared", async () => {
    const messages = (await check({ add: the("hello-2.0", "reader-1.0"), base: baseOf(BASH) })).map(
      ({ message }) => message,
    );

    expect(messages).toEqual([
      "hello-2.0-1.noarch requires libgreet >= 2; nothing in the channel or its base repositories provides it.",
      "reader-1.0-1.noarch requires /usr/share/book/text; nothing in the channel or its base repositories provides it.",
    ]);
  });

  test("may be a file", async () => {
    const state = stateOf([await target.seal(the("book-1.0"))]);

    expect(await check({ state, add: the("reader-1.0"), base: baseOf() })).toEqual([]);
  });

  test("may be a choice that nothing satisfies", async () => {
    const [problem] = await check({ add: the("chooser-1.0", "libgreet-1.4") });

    expect(problem?.message).toBe(
      "chooser-1.0-1.noarch requires (libgreet >= 2 or libgreet < 1); the channel has libgreet-1.4-1.",
    );
  });

  test("may not be what it conflicts with; other conflicts are its own business", async () => {
    const messages = (await check({ add: the("hater-1.0", "alternative-1.0", "book-1.0") })).map(
      ({ message }) => message,
    );

    expect(messages).toEqual([
      "hater-1.0-1.noarch requires book, which only book-1.0-1.noarch provides, and the two conflict.",
    ]);
  });

  test("is told fifty times at most, and then counted", async () => {
    const add = the(
      ...SET.flatMap(({ name }) => (name.startsWith("needy") ? [`${name}-1.0`] : [])),
    );

    const problems = await check({ add, base: baseOf() });

    expect(problems).toHaveLength(51);
    expect(problems.at(-1)?.message).toBe("… and 10 more.");
  });
});

describe("what a removed package provided", () => {
  test.each([
    ["a version", "libgreet-1.4", "modest-1.0", "libgreet >= 1.4"],
    ["a file", "book-1.0", "reader-1.0", "/usr/share/book/text"],
  ])("is missed by whoever requires %s", async (_what, removed, requirer, requirement) => {
    const segments = [await target.seal(the(removed)), await target.seal(the(requirer))];

    const [problem] = await check({ state: stateOf(segments), remove: [`${removed}-1.noarch`] });

    expect(problem).toEqual({
      code: "REQUIRES_UNSATISFIED",
      nevra: `${requirer}-1.noarch`,
      message: `${requirer}-1.noarch requires ${requirement}, which only ${removed}-1.noarch provided, and that is being removed.`,
      hint: `Keep it, remove ${requirer.replace(/-1\.0$/, "")} too, or publish another version of it that does without.`,
    });
  });

  test("is not missed when another package has it, or its requirers go too", async () => {
    const all = the("libgreet-1.4", "libgreet-2.1", "hello-2.0", "modest-1.0", "book-1.0");
    const state = stateOf([await target.seal(all)]);

    expect(await check({ state, remove: ["book-1.0-1.noarch"] })).toEqual([]);
    expect(
      await check({ state, remove: ["libgreet-1.4-1.noarch", "modest-1.0-1.noarch"] }),
    ).toEqual([]);
    expect(await check({ state, remove: ["no-such-1.0-1.noarch", "nonsense"] })).toEqual([]);
  });
});

describe("a segment's index", () => {
  test.each([
    ["missing", "missing" as const],
    ["empty", Buffer.alloc(0)],
    ["rubbish", Buffer.from("T".repeat(4_000))],
  ])("that is %s is made again from the pool", async (_how, index) => {
    const state = stateOf([await target.seal(the("libgreet-1.4", "book-1.0"), index)]);

    const [problem] = await check({
      state,
      add: the("hello-2.0", "reader-1.0"),
      base: baseOf(BASH),
    });

    expect(problem?.message).toContain("the channel has libgreet-1.4-1");
  });
});

test("only the headers that a change touches are read: the other files need not even be there", async () => {
  const others = SET.filter(({ name }) => name.startsWith("needy")).map(
    ({ name }) => `${name}-1.0`,
  );
  const unreadable = the(...others).map(({ listed, rpm }) => ({
    listed: { ...listed, sha256: "f".repeat(64) },
    rpm,
  }));
  const state = stateOf([await target.seal([...unreadable, ...the("libgreet-1.4", "modest-1.0")])]);

  const problems = await check({ state, add: the("hello-2.0"), remove: ["libgreet-1.4-1.noarch"] });

  expect(problems.map(({ nevra }) => nevra)).toEqual([
    "hello-2.0-1.noarch",
    "modest-1.0-1.noarch",
    "modest-1.0-1.noarch",
  ]);
});

test("a target's packages, and who provides a name or a path", async () => {
  const resolver = openResolver(target.layout);
  const sealed = [await target.seal(the("libgreet-1.4", "book-1.0"))];
  const state = stateOf(sealed, the("libgreet-2.1"));
  const nevras = (listed: readonly { nevra: string }[]): readonly string[] =>
    listed.map(({ nevra }) => nevra);

  expect(nevras(await resolver.list(state))).toEqual([
    "libgreet-1.4-1.noarch",
    "book-1.0-1.noarch",
    "libgreet-2.1-1.noarch",
  ]);
  expect(nevras(await resolver.whoProvides(state, "libgreet"))).toEqual([
    "libgreet-2.1-1.noarch",
    "libgreet-1.4-1.noarch",
  ]);
  expect(nevras(await resolver.whoProvides(state, "libgreet", 1))).toEqual([
    "libgreet-2.1-1.noarch",
  ]);
  expect(nevras(await resolver.whoProvides(state, "/usr/share/book/text"))).toEqual([
    "book-1.0-1.noarch",
  ]);
  expect(await resolver.whoProvides(state, "nothing")).toEqual([]);
});
