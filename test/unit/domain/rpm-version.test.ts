import { describe, expect, test } from "vitest";
import {
  compareEvr,
  compareRpmVersions,
  distFor,
  tagMatchesVersion,
  versionOfTag,
} from "../../../src/domain/rpm-version.ts";

const SHA = "ab12cd3ef0000000000000000000000000000000";

describe("%dist", () => {
  test("is the target's on a commit tagged with the version", () => {
    const facts = { target: "el9.x86_64", versionTagOnCommit: true, commitCount: 57, sha: SHA };

    expect(distFor(facts)).toBe(".el9");
  });

  test.each([
    ["el9.x86_64", ".57.gab12cd3.el9"],
    ["fedora-43.aarch64", ".57.gab12cd3.fc43"],
    ["debian12.x86_64", ".57.gab12cd3.debian12"],
  ])("carries the commit on any other: %s", (target, dist) => {
    expect(distFor({ target, versionTagOnCommit: false, commitCount: 57, sha: SHA })).toBe(dist);
  });

  test("makes each push newer than the one before, and older than the next release", () => {
    const release = (commitCount: number): string =>
      `1${distFor({ target: "el9.x86_64", versionTagOnCommit: false, commitCount, sha: SHA })}`;
    const releases = ["1.el9", release(9), release(56), release(57), release(120), "2.el9"];

    expect(releases.toSorted(compareRpmVersions)).toEqual(releases);
  });
});

test.each([
  ["v1.4.0", "1.4.0"],
  ["1.4.0", "1.4.0"],
  ["v1.5.0-rc.1", "1.5.0~rc.1"],
  ["v1.5.0-rc-1-2", "1.5.0~rc.1.2"],
  ["2", "2"],
  ["v1.0+git", "1.0+git"],
])("tag %s is version %s", (tag, version) => {
  expect(versionOfTag(tag)).toBe(version);
  expect(tagMatchesVersion(tag, version)).toBe(true);
  expect(tagMatchesVersion(tag, `${version}1`)).toBe(false);
});

test.each(["release", "v", "version-1", "hello-1.4.0", "V1.0", "1.0/2", "1.0~rc1", "", "v1 0"])(
  "tag %j is no version",
  (tag) => {
    expect(versionOfTag(tag)).toBeUndefined();
  },
);

describe("the order of versions", () => {
  test.each([
    ["1.0", "1.0", 0],
    ["1.0", "2.0", -1],
    ["2.0.1", "2.0", 1],
    ["2.0.1a", "2.0.1", 1],
    ["5.5p1", "5.5p2", -1],
    ["5.5p10", "5.5p1", 1],
    ["10xyz", "10.1xyz", -1],
    ["xyz10", "xyz10.1", -1],
    ["xyz.4", "8", -1],
    ["5.5p2", "5.6p1", -1],
    ["6.0.rc1", "6.0", 1],
    ["10b2", "10a1", 1],
    ["1.0aa", "1.0a", 1],
    ["10.0001", "10.1", 0],
    ["10.0001", "10.0039", -1],
    ["4.999.9", "5.0", -1],
    ["20101121", "20101122", -1],
    ["2_0", "2.0", 0],
    ["1.0.", "1.0", 0],
    ["a+", "a_", 0],
    ["1.0~rc1", "1.0", -1],
    ["1.0~rc1", "1.0~rc2", -1],
    ["1.0~rc1~git123", "1.0~rc1", -1],
    ["1.0^", "1.0", 1],
    ["1.0^git1", "1.0", 1],
    ["1.0^git1", "1.01", -1],
    ["1.0^git1", "1.0^git2", -1],
    ["1.0^20160102", "1.0^20160101^git1", 1],
    ["1.0~rc1^git1", "1.0~rc1", 1],
    ["1.0^git1~pre", "1.0^git1", -1],
    ["9".repeat(400), `1${"0".repeat(400)}`, -1],
    ["", "1", -1],
    ["", "~", 1],
  ] as const)("%.20s and %.20s", (a, b, order) => {
    expect(compareRpmVersions(a, b)).toBe(order);
    expect(compareRpmVersions(b, a)).toBe(order === 0 ? 0 : -order);
  });

  test("is the one of the design", () => {
    const versions = [
      "1.4.0",
      "1.4.0^3.gab12cd3",
      "1.4.0^12.gab12cd3",
      "1.4.0^40.gab12cd3",
      "1.4.1",
      "1.5.0~dev.12.gab12cd3",
      "1.5.0~rc.1",
      "1.5.0~rc.1^3.gab12cd3",
      "1.5.0~rc.2",
      "1.5.0",
    ];

    expect(versions.toSorted(compareRpmVersions)).toEqual(versions);
  });

  test("looks at the epoch first and at the release last", () => {
    const evr = (epoch: number, version: string, release: string) => ({ epoch, version, release });

    expect(compareEvr(evr(1, "1", "1"), evr(0, "2", "2"))).toBe(1);
    expect(compareEvr(evr(0, "1", "2"), evr(0, "2", "1"))).toBe(-1);
    expect(compareEvr(evr(0, "1", "2"), evr(0, "1", "10"))).toBe(-1);
    expect(compareEvr(evr(0, "1", "1"), evr(0, "1", "1"))).toBe(0);
  });
});
