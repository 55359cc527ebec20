import { describe, expect, test } from "vitest";
import { InfraFault, UserFault } from "../../../src/domain/faults.ts";
import { failureCard } from "../../../src/shared/protocol.ts";
import { repoFile } from "../../../src/server/yum-routes.ts";
import { pairings } from "../../../src/server/yum-pairings.ts";
import { parseRecords } from "../../../workers/publish/inspect-rpm.ts";
import { cardOf, faultOf } from "../../../workers/publish/tell-end.ts";
import { createTurns } from "../../../workers/publish/turns.ts";

describe("rpm's answer", () => {
  test("is read field by field, whatever a text holds", () => {
    const text =
      "'hello' 0 '1.0' '1' 'noarch' 0 0 'MIT' 'It'\\''s\n'\\''two'\\'' lines'\n" +
      "'b' 12 '1~rc' '2^x' 'x86_64' 1 1 'A and B' ''\n";

    expect(parseRecords(text)).toEqual([
      {
        nevra: { name: "hello", epoch: 0, version: "1.0", release: "1", arch: "noarch" },
        license: "MIT",
        summary: "It's 'two' lines",
      },
      {
        nevra: { name: "b", epoch: 12, version: "1~rc", release: "2^x", arch: "nosrc" },
        license: "A and B",
        summary: "",
      },
    ]);
  });

  test.each([
    ["a field that is missing", "'hello' 0 '1.0' '1' 'noarch' 0 0 'MIT' (none)\n"],
    ["a text without its end", "'hello' 0 '1.0' '1' 'noarch' 0 0 'MIT' 'x\n"],
    ["another word", "error\n"],
    ["too few fields", "'hello' 0\n"],
  ])("with %s is not believed", (_, text) => {
    expect(parseRecords(text)).toBeUndefined();
  });
});

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

    expect(faultOf(full).code).toBe("DISK_FULL");
    expect(faultOf(hidden).code).toBe("DISK_FULL");
    expect(faultOf(new InfraFault("SIGNING_FAILED", "x")).code).toBe("SIGNING_FAILED");
    expect(faultOf(new TypeError("x")).code).toBe("INTERNAL");
    expect(faultOf("a text").message).toBe("a text");
  });
});

test("turns are taken in order, and one that fails does not stop the next", async () => {
  const turns = createTurns();
  const seen: number[] = [];
  const first = turns.take(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(1);
    throw new Error("first");
  });
  const second = turns.take(async () => void seen.push(2));

  await expect(first).rejects.toThrow("first");
  await second;

  expect(seen).toEqual([1, 2]);
});

describe("the .repo file", () => {
  test("of a sibling target is a section of its own", () => {
    const text = repoFile("stable", "el9.x86_64-debug", "https://ci.example.com");

    expect(text).toContain("[tatara-stable-debug]\n");
    expect(text).toContain("mirrorlist=https://ci.example.com/yum/stable/el9.x86_64-debug/mirror");
    expect(text).toContain("metadata_expire=3600\n");
  });
});

describe("pairing a client with a generation", () => {
  test("holds for a minute after the index was given", () => {
    let now = 0;
    const known = pairings(() => now);
    known.remember("a", 3);

    now = 60_000;
    expect(known.find("a")).toBe(3);
    expect(known.find("b")).toBeUndefined();
    now = 60_001;
    expect(known.find("a")).toBeUndefined();
  });

  test("is bounded: the client that was away longest is forgotten", () => {
    const known = pairings(() => 0);
    known.remember("first", 1);
    known.remember("second", 1);
    known.remember("first", 2);
    for (let i = 0; i < 9_999; i += 1) known.remember(`other-${i}`, 1);

    expect(known.find("first")).toBe(2);
    expect(known.find("second")).toBeUndefined();
  });
});
