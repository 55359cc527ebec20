import { describe, expect, test } from "vitest";
import { InfraFault, UserFault } from "../../../src/domain/faults.ts";
import { DEFAULT_CHANNEL_SETTINGS } from "../../../src/shared/channel-settings.ts";
import { failureCard } from "../../../src/shared/message-parts.ts";
import { identityOf, messagesOf, refusedFor } from "../../../workers/publish/check-identities.ts";
import { sortBySigner } from "../../../workers/publish/import/sort-by-signer.ts";
import { listedTargets } from "../../../workers/publish/listed-targets.ts";
import { mergeChanges } from "../../../workers/publish/merge-changes.ts";
import { oncePerContent } from "../../../workers/publish/once-per-content.ts";
import { NO_CHANGE } from "../../../workers/publish/prepared.ts";
import type { ChannelChange, Prepared } from "../../../workers/publish/prepared.ts";
import { generationsToDrop, reachableFrom } from "../../../workers/publish/sweep/reachable.ts";
import { cardOf, faultOf } from "../../../workers/publish/tell-end.ts";
import { firstTogether, openTurns } from "../../../workers/publish/turns.ts";

describe("how a publish ends", () => {
  test("one refusal is the card's title; several are counted and listed", () => {
    const one = cardOf(new UserFault("NEVRA_TAKEN", "a is taken.", { hint: "Raise it." }));
    const three = cardOf(new UserFault("PACKAGE_INVALID", "a\nb\nc", { hint: "Look." }));

    expect(failureCard.parse(one)).toMatchObject({ title: "a is taken.", excerpt: "" });
    expect(three).toMatchObject({ title: "a (and 2 more)", excerpt: "a\nb\nc" });
  });

  test("a message of any length fits into the card", () => {
    const card = cardOf(new UserFault("PACKAGE_INVALID", "x".repeat(50_000), { hint: "y" }));

    expect(failureCard.safeParse(card).success).toBe(true);
  });

  test("a full disk is known wherever it hides", () => {
    const full = Object.assign(new Error("no space left"), { code: "ENOSPC" });
    const hidden = new InfraFault("PUBLISH_FAILED", "could not", { cause: full });
    // So node tells that the disk did not make a folder with its parents.
    const noFolder = Object.assign(new Error("x"), { code: "ENOENT", syscall: "mkdir" });
    const noFile = Object.assign(new Error("x"), { code: "ENOENT", syscall: "open" });

    expect(faultOf(full).code).toBe("DISK_FULL");
    expect(faultOf(hidden).code).toBe("DISK_FULL");
    expect(faultOf(noFolder).code).toBe("DISK_FULL");
    expect(faultOf(noFile).code).toBe("INTERNAL");
    expect(faultOf(new InfraFault("SIGNING_FAILED", "x")).code).toBe("SIGNING_FAILED");
    expect(faultOf(new TypeError("x")).code).toBe("INTERNAL");
    expect(faultOf("a text").message).toBe("a text");
  });
});

const tick = () => new Promise((resolve) => setImmediate(resolve));

describe("turns", () => {
  test("come one after the other, in the order of asking, whatever the one before came to", async () => {
    const turns = openTurns(async () => undefined);
    const seen: number[] = [];
    const first = turns.alone(async () => {
      await tick();
      seen.push(1);
      throw new Error("first");
    });
    const second = turns.alone(async () => void seen.push(2));

    await expect(first).rejects.toThrow("first");
    await second;

    expect(seen).toEqual([1, 2]);
  });

  test("are shared by all who are ready when one begins", async () => {
    const batches: number[] = [];
    const turns = openTurns(async (members) => {
      batches.push(members.length);
      await tick();
      for (const { settle } of members) settle({ kind: "unchanged" });
    });
    const { signal } = new AbortController();
    const join = () => turns.join({ publish: {} as never, prepared: prepared([]), signal });

    await Promise.all([join(), join(), join(), join()]);

    // They joined before the first turn began.
    expect(batches).toEqual([4]);
  });

  test("are not waited for by whoever is stopped", async () => {
    const { promise: endless, resolve: end } = Promise.withResolvers<void>();
    const turns = openTurns(async () => undefined);
    const before = turns.alone(() => endless);
    const stop = new AbortController();
    const joined = turns.join({
      publish: {} as never,
      prepared: prepared([]),
      signal: stop.signal,
    });

    stop.abort("why");

    expect(await joined).toEqual({ kind: "failed", err: "why" });
    end();
    await before;
  });
});

const SHA = (digit: string): string => digit.repeat(64);
const packageOf = (nevra: string, digit = "a") => ({
  nevra,
  sha256: SHA(digit),
  fileName: `${nevra}.rpm`,
  sizeBytes: 1,
  path: `/${nevra}`,
});

function change(channel: string, edit: Partial<ChannelChange["edit"]> = {}): ChannelChange {
  const settings = DEFAULT_CHANNEL_SETTINGS;
  return { channel, head: 1, settings, edit: { ...NO_CHANGE, ...edit } as ChannelChange["edit"] };
}

function prepared(changes: readonly ChannelChange[], packages = 0): Prepared {
  return {
    changes,
    packages: Array.from({ length: packages }) as never,
    advisories: [],
    warnings: [],
    storing: Promise.resolve(),
  };
}

describe("who shares a turn", () => {
  const adds = (nevra: string, digit?: string) =>
    change("dev", { add: new Map([["el9.x86_64", [packageOf(nevra, digit)]]]) });
  const removes = (nevra: string) => change("dev", { remove: new Map([["el9.x86_64", [nevra]]]) });
  const restores = (channel: string) =>
    change(channel, { kind: "restore", from: { channel: "stable", number: 3 } });
  const countOf = (...changes: readonly ChannelChange[]) =>
    firstTogether(changes.map((each) => ({ prepared: prepared([each]) }))).length;

  test("whose changes can be made in any order", () => {
    expect(countOf(adds("a-1-1.noarch"), adds("b-1-1.noarch"), removes("c-1-1.noarch"))).toBe(3);
    expect(countOf(adds("a-1-1.noarch"), adds("a-1-1.noarch"))).toBe(2);
  });

  test("not who takes away what another adds, nor who has other bytes for it", () => {
    expect(countOf(adds("a-1-1.noarch"), removes("a-1-1.noarch"), adds("b-1-1.noarch"))).toBe(1);
    expect(countOf(removes("a-1-1.noarch"), adds("a-1-1.noarch"))).toBe(1);
    expect(countOf(adds("a-1-1.noarch", "a"), adds("a-1-1.noarch", "b"))).toBe(1);
  });

  test("not who restores the same channel", () => {
    expect(countOf(adds("a-1-1.noarch"), restores("dev"))).toBe(1);
    expect(countOf(restores("testing"), adds("a-1-1.noarch"))).toBe(2);
  });

  test("no more than one message can carry, but always one", () => {
    const waiting = [4_000, 900, 101].map((count) => ({ prepared: prepared([], count) }));

    expect(firstTogether(waiting)).toHaveLength(2);
    expect(firstTogether([{ prepared: prepared([], 100_000) }])).toHaveLength(1);
  });
});

test("changes of one channel become one: what both want is there once", () => {
  const member = (publishId: string, ...changes: readonly ChannelChange[]) => ({
    publish: { grant: { publishId } },
    prepared: prepared(changes),
  });
  const add = (...nevras: readonly string[]) =>
    new Map([["el9.x86_64", nevras.map((nevra) => packageOf(nevra))]]);

  const merged = mergeChanges([
    member("p-1", change("dev", { add: add("a-1-1.noarch", "b-1-1.noarch") })),
    member("p-2", change("dev", { add: add("b-1-1.noarch", "c-1-1.noarch"), rewrite: true })),
    member("p-3", change("stable", { remove: new Map([["el9.x86_64", ["x-1-1.noarch"]]]) })),
  ]);

  expect(merged.map(({ channel, builtFor }) => [channel, builtFor])).toEqual([
    ["dev", ["p-1", "p-2"]],
    ["stable", ["p-3"]],
  ]);
  const edit = merged[0]?.edit;
  const added = edit?.kind === "edit" ? edit.add.get("el9.x86_64") : [];
  expect(added?.map(({ nevra }) => nevra)).toEqual([
    "a-1-1.noarch",
    "b-1-1.noarch",
    "c-1-1.noarch",
  ]);
  expect(edit).toMatchObject({ rewrite: true });
});

describe("works for one content", () => {
  test("wait for each other, those for another one do not", async () => {
    const signings = oncePerContent();
    const first = Promise.withResolvers<void>();
    const seen: string[] = [];
    const work = (name: string, until: Promise<unknown>) => async () => {
      seen.push(name);
      return { result: name, until };
    };

    await signings.take("a", work("a1", first.promise));
    const second = signings.take("a", work("a2", Promise.resolve()));
    await signings.take("b", work("b1", Promise.resolve()));
    expect(seen).toEqual(["a1", "b1"]);
    first.resolve();

    expect(await second).toBe("a2");
  });

  test("go on after one that failed", async () => {
    const signings = oncePerContent();
    const failing = signings.take("a", () => Promise.reject(new Error("no")));
    const next = signings.take("a", async () => ({ result: 1, until: Promise.resolve() }));

    await expect(failing).rejects.toThrow("no");
    expect(await next).toBe(1);
  });
});

describe("where a package is listed", () => {
  const nevra = (name: string, arch: string) => ({
    name,
    epoch: 0,
    version: "1",
    release: "1",
    arch,
  });
  const known = [
    "el9.x86_64",
    "el9.aarch64",
    "el9.aarch64-debug",
    "el9.s390x-source",
    "fc43.x86_64",
  ];

  test.each([
    ["its own architecture", "hello", "x86_64", ["el9.x86_64"]],
    [
      "every architecture of its distribution",
      "hello",
      "noarch",
      ["el9.x86_64", "el9.aarch64", "el9.s390x"],
    ],
    ["sources", "hello", "src", ["el9.x86_64-source"]],
    ["sources", "hello", "nosrc", ["el9.x86_64-source"]],
    ["debug packages", "hello-debuginfo", "x86_64", ["el9.x86_64-debug"]],
    ["debug packages", "hello-debugsource", "x86_64", ["el9.x86_64-debug"]],
    ["its own architecture", "hello-debuginfod", "x86_64", ["el9.x86_64"]],
  ])("in %s: %s.%s", (_, name, arch, targets) => {
    expect(listedTargets("el9.x86_64", nevra(name, arch), known)).toEqual(targets);
  });
});

describe("what is asked about a package", () => {
  const withProvides = (count: number, length = 1) => {
    const provides = Array.from({ length: count }, (_, i) => ({
      name: `${i}`.padEnd(length, "x"),
    }));
    const nevra = { name: "hello", epoch: 0, version: "1", release: "1", arch: "noarch" };
    return { nevra, relations: { provides, obsoletes: [], conflicts: [] } as never };
  };

  test("is all of its names, or it is refused: none may hide behind others", () => {
    expect(identityOf(withProvides(10_000), SHA("a"), "el9.x86_64").provides).toHaveLength(10_000);
    for (const hiding of [withProvides(10_001), withProvides(9_000, 1_000)]) {
      expect(() => identityOf(hiding, SHA("a"), "el9.x86_64")).toThrow(UserFault);
    }
  });

  test("comes in parts that the server takes, in their order and none left out", () => {
    const many = Array.from({ length: 1_100 }, () => identityOf(withProvides(1), SHA("a"), "t"));
    const large = Array.from({ length: 9 }, () =>
      identityOf(withProvides(1_500, 1_000), SHA("b"), "t"),
    );
    const parts = [...messagesOf([...many, ...large])];

    expect(parts.flat()).toEqual([...many, ...large]);
    for (const packages of parts) {
      expect(packages.length).toBeLessThanOrEqual(500);
      expect(JSON.stringify(packages).length).toBeLessThan(5_000_000);
    }
  });

  test("leaves out its own name, files and sonames", () => {
    const relation = (name: string) => ({ name }) as never;
    const provides = [
      "hello",
      "hello(x86-64)",
      "config(hello)",
      "libhello.so.1()(64bit)",
      "/usr/bin/hello",
      "greeter",
      "pkgconfig(hello)",
      "greeter",
    ];
    const none = { obsoletes: [relation("older")], conflicts: [] };
    const id = { name: "hello", epoch: 0, version: "1", release: "1", arch: "x86_64" };
    const rpm = { nevra: id, relations: { provides: provides.map(relation), ...none } as never };

    const { provides: asked, obsoletes } = identityOf(rpm, SHA("a"), "el9.x86_64");

    expect({ asked, obsoletes }).toEqual({
      asked: ["greeter", "pkgconfig(hello)"],
      obsoletes: ["older"],
    });
  });

  test("is refused with every message, and each hint once", () => {
    const refusal = (message: string) => ({
      code: "VERSION_LOWER" as const,
      message,
      hint: "Raise it.",
    });

    const fault = refusedFor([refusal("a is lower."), refusal("b is\nlower.")]);

    expect(fault).toMatchObject({ code: "VERSION_LOWER", hint: "Raise it." });
    expect(fault.message).toBe("a is lower.\nb is lower.");
  });
});

describe("what a sweep leaves", () => {
  test("is all that a kept generation needs, segments' packages included", () => {
    const listedIn = { s1: ["p1", "p2"], s2: ["p3"] } as Record<string, string[]>;
    const state = (segments: string[], tail: string[], extras: string[] = []) => ({
      segments: segments.map((id) => ({ id }) as never),
      tail: tail.map((sha256) => ({ sha256 }) as never),
      extras: extras.map((sha256) => ({ sha256 }) as never),
    });

    const reachable = reachableFrom(
      [state(["s1"], ["p4"], ["e1"]), state(["s1", "s2"], [])],
      (id) => {
        return listedIn[id] ?? [];
      },
    );

    expect(reachable).toEqual({
      segments: new Set(["s1", "s2"]),
      extras: new Set(["e1"]),
      packages: new Set(["p1", "p2", "p3", "p4"]),
    });
  });

  test("is every generation that is named, and every young one", () => {
    const found = [1, 2, 3, 4].map((number) => ({
      channel: "dev",
      number,
      changedAt: number * 10,
    }));

    const dropped = generationsToDrop(found, [{ channel: "dev", numbers: [2] }], 35);

    expect(dropped.map(({ number }) => number)).toEqual([1, 3]);
  });
});

describe("an imported package", () => {
  const found = (...signers: string[]) => ({ path: "/x/a.rpm", signers }) as never;
  const ours = new Set(["aaaaaaaaaaaaaaaa"]);
  const howOf = (foreignSignatures: "refuse" | "resign" | "keep", ...signers: string[]) =>
    sortBySigner([found(...signers)], ours, { foreignSignatures }).packages[0]?.how;

  test("is signed, linked or kept by who signed it", () => {
    expect(howOf("refuse")).toBe("sign");
    expect(howOf("refuse", "aaaaaaaaaaaaaaaa")).toBe("ours");
    expect(howOf("resign", "bbbbbbbbbbbbbbbb")).toBe("sign");
    expect(howOf("keep", "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb")).toBe("keep");
  });

  test("that somebody else signed is refused unless it is said what to do; ten are named", () => {
    const many = Array.from({ length: 12 }, () => found("bbbbbbbbbbbbbbbb"));

    expect(() => sortBySigner(many, ours, { foreignSignatures: "refuse" })).toThrow(
      /^(?:a\.rpm: signed by bbbbbbbbbbbbbbbb\n){10}… and 2 more\.$/,
    );
    const { warnings } = sortBySigner(many, ours, { foreignSignatures: "keep" });
    expect(warnings).toEqual([expect.stringContaining("bbbbbbbbbbbbbbbb: hosts need that key")]);
  });
});
