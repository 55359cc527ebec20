import { expect, test } from "vitest";
import { keepFirstTwins, refuseTwins } from "../../../workers/publish/check-identities.ts";

function made(arch: string, madeFor: string, content: string) {
  const nevra = { name: "hello", epoch: 0, version: "1", release: "1", arch };
  return {
    nevra,
    madeFor,
    unsignedSha256: content,
    targets: [`${madeFor}${arch === "src" ? "-source" : ""}`],
  };
}

test.each(["src", "noarch"])(
  "of a %s package that two targets made, the first is kept for both",
  (arch) => {
    const kept = keepFirstTwins([made(arch, "el9.x86_64", "a"), made(arch, "el10.x86_64", "b")]);

    expect(kept).toHaveLength(1);
    expect(kept[0]).toMatchObject({ unsignedSha256: "a" });
    expect(kept[0]?.targets).toHaveLength(2);
  },
);

test("what has an architecture, or comes twice from one target, is still refused", () => {
  const twice = [made("x86_64", "el9.x86_64", "a"), made("x86_64", "el10.x86_64", "b")];
  const again = [made("noarch", "el9.x86_64", "a"), made("noarch", "el9.x86_64", "b")];

  expect(() => refuseTwins(keepFirstTwins(twice))).toThrow("twice, with different content");
  expect(() => refuseTwins(keepFirstTwins(again))).toThrow("twice, with different content");
});

test("the same file from two jobs stays two entries, which become one when they are listed", () => {
  const same = [made("noarch", "el9.x86_64", "a"), made("noarch", "el10.x86_64", "a")];

  expect(keepFirstTwins(same)).toEqual(same);
});
