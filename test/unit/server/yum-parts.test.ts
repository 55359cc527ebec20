import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundedCache } from "../../../src/server/yum/bounded-cache.ts";
import { cutParts, sizeOf } from "../../../src/server/yum/content.ts";
import { familiesOf } from "../../../src/server/yum/families.ts";
import { findServed, isServedName } from "../../../src/server/yum/names.ts";
import { expireSecondsOf, repoFile } from "../../../src/server/yum/repo-file.ts";

const URL = "https://ci.example.com";

describe("the .repo file", () => {
  test("of a sibling target is a section of its own", () => {
    const sections = [{ suffix: "-debug", served: "el9.x86_64-debug" }];
    const facts = { channel: "stable", title: "el9.x86_64-debug", url: URL };
    const text = repoFile({ ...facts, sections, metadataExpireSeconds: 3_600 });

    expect(text).toContain("[tatara-stable-debug]\n");
    expect(text).toContain(`mirrorlist=${URL}/yum/stable/el9.x86_64-debug/mirrorlist\n`);
    expect(text).toContain("metadata_expire=3600\n");
    expect(text).not.toContain("#");
  });

  test.each([
    ["stable", null, 3_600],
    ["testing", undefined, 3_600],
    ["dev", null, 300],
    ["acme.hello.pr-12", null, 300],
    ["stable", 60, 60],
  ])("of %s with the setting %s is read again after %d s", (channel, setting, seconds) => {
    expect(expireSecondsOf(channel, setting)).toBe(seconds);
  });
});

describe("families of targets", () => {
  test("differ in distribution, dash and sibling, not in release, architecture or layer", () => {
    const targets = ["el8.x86_64", "el9.aarch64", "el9.x86_64-debug", "fedora-43.x86_64"];

    const found = familiesOf([...targets, "el9.x86_64-base", "plain.noarch"]);

    expect(found.map(({ name, pattern }) => [name, pattern])).toEqual([
      ["el", "el$releasever.$basearch"],
      ["el-debug", "el$releasever.$basearch-debug"],
      ["fedora", "fedora-$releasever.$basearch"],
    ]);
    expect(found[0]?.targets).toEqual(["el8.x86_64", "el9.aarch64"]);
  });
});

describe("a served name", () => {
  const targets = { "el9.x86_64": 1, "el9.x86_64-debug": 1, "el8.x86_64": 2, "el8.x86_64-base": 1 };

  test.each([
    ["el9.x86_64", "el9.x86_64"],
    ["el9.4.x86_64", "el9.x86_64"],
    ["el9.10.x86_64-debug", "el9.x86_64-debug"],
    ["el8.x86_64-base", "el8.x86_64-base"],
    ["el8.x86_64-updates", "el8.x86_64"],
    ["el8.10.x86_64-base", "el8.x86_64-base"],
    ["el8.10.x86_64-updates", "el8.x86_64"],
    ["el7.x86_64", undefined],
    ["el9.x86_64-source", undefined],
    ["constructor", undefined],
    ["__proto__", undefined],
  ])("%s means %s", (asked, expected) => {
    expect(findServed(asked, targets)).toBe(expected);
  });

  test.each(["..", "el9", "el9.x86_64/", "el9..x86_64", "-el9.x86_64", "el9.x86_64-base-base", ""])(
    "is not %j",
    (text) => {
      expect(isServedName(text)).toBe(false);
    },
  );
});

test("cut parts are the same bytes of the whole, wherever the cut is", () => {
  const sizes = fc.array(fc.nat(5), { maxLength: 6 });
  fc.assert(
    fc.property(sizes, fc.nat(30), fc.nat(30), (lengths, start, end) => {
      const parts = lengths.map((bytes, index) => ({
        path: String(index),
        start: index * 10,
        bytes,
      }));
      const namesOf = (some: typeof parts): readonly string[] =>
        some.flatMap(({ path, start, bytes }) =>
          Array.from({ length: bytes }, (_none, at) => `${path}:${start + at}`),
        );

      const cut = cutParts(parts, start, end);

      expect(namesOf([...cut])).toEqual(namesOf(parts).slice(start, Math.max(start, end)));
      expect(cut.every(({ bytes }) => bytes > 0)).toBe(true);
      expect(sizeOf(cut)).toBe(namesOf([...cut]).length);
    }),
  );
});

describe("a bounded cache", () => {
  const counting = () => {
    const loads: string[] = [];
    const cache = boundedCache<string>({ weightMax: 10, weigh: (value) => value.length });
    const get = (key: string, value = key) =>
      cache.get(key, async () => {
        loads.push(key);
        return value;
      });
    return { cache, get, loads };
  };

  test("reads once for all who ask at the same time, and remembers", async () => {
    const { get, loads } = counting();

    await Promise.all([get("aaaa"), get("aaaa")]);
    await get("aaaa");

    expect(loads).toEqual(["aaaa"]);
  });

  test("forgets what was not asked for longest, and never keeps what is too heavy", async () => {
    const { get, loads } = counting();
    for (const key of ["aaaa", "bbbb", "aaaa", "cccc", "aaaa", "bbbb"]) await get(key);
    await get("heavy", "x".repeat(11));
    await get("heavy", "x".repeat(11));
    await get("bbbb");

    expect(loads).toEqual(["aaaa", "bbbb", "cccc", "bbbb", "heavy", "heavy"]);
  });

  test("does not remember a failure", async () => {
    const { cache } = counting();
    const failing = cache.get("a", () => Promise.reject(new Error("gone")));

    await expect(failing).rejects.toThrow("gone");
    await expect(cache.get("a", async () => "there")).resolves.toBe("there");
  });
});
