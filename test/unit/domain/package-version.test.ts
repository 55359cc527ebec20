import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { packageVersion, versionByPattern } from "../../../src/domain/package-version.ts";
import type { VersionFacts } from "../../../src/domain/package-version.ts";
import type { VersionRule } from "../../../src/domain/pipeline.ts";
import { compareRpmVersions } from "../../../src/domain/rpm-version.ts";

const SHA = "ab12cd3ef4567890ab12cd3ef4567890ab12cd3e";
const FROM_TAG: VersionRule = { kind: "from-tag", pattern: null };
const FIXED: VersionRule = { kind: "fixed", version: "1.5.0" };
const AUTO = { kind: "auto" } as const;

function facts(changes: Partial<VersionFacts> = {}): VersionFacts {
  return { target: "el9.x86_64", sha: SHA, tags: [], before: null, count: 57, ...changes };
}

function versionOf(rule: VersionRule, changes: Partial<VersionFacts>): string {
  const found = packageVersion(rule, AUTO, facts(changes));
  if (found.kind === "version") return found.version;
  return found.kind === "refused" ? "VERSION_TAG" : "spec";
}

const after = (tag: string) => ({ before: { tags: [tag], commits: 3 } });

test.each<[string, Partial<VersionFacts>, string, string]>([
  ["tagged v1.4.0", { tags: ["v1.4.0"] }, "1.4.0", "VERSION_TAG"],
  ["tagged v1.5.0", { tags: ["v1.5.0"] }, "1.5.0", "1.5.0"],
  ["tagged v1.5.0-rc.1", { tags: ["v1.5.0-rc.1"] }, "1.5.0~rc.1", "1.5.0~rc.1"],
  ["after v1.4.0", after("v1.4.0"), "1.4.0^3.gab12cd3", "1.5.0~dev.3.gab12cd3"],
  ["after v1.5.0-rc.1", after("v1.5.0-rc.1"), "1.5.0~rc.1^3.gab12cd3", "1.5.0~dev.3.gab12cd3"],
  ["after v1.5.0", after("v1.5.0"), "1.5.0^3.gab12cd3", "VERSION_TAG"],
  ["after v2.0.0", after("v2.0.0"), "2.0.0^3.gab12cd3", "VERSION_TAG"],
  ["no tag before it", {}, "0.1.0~dev.57.gab12cd3", "1.5.0~dev.57.gab12cd3"],
])("%s", (_name, changes, fromTag, fixed) => {
  expect(versionOf(FROM_TAG, changes)).toBe(fromTag);
  expect(versionOf(FIXED, changes)).toBe(fixed);
});

test("of several tags on one commit the newest version counts, and for a fixed version its own", () => {
  const tags = ["v1.5.0-rc.2", "v1.5.0", "nightly"];

  expect(versionOf(FROM_TAG, { tags })).toBe("1.5.0");
  expect(versionOf(FIXED, { tags })).toBe("1.5.0");
});

test("a pattern names the tags of one of several packages", () => {
  const rule: VersionRule = { kind: "from-tag", pattern: "api-v*" };

  expect(versionOf(rule, { tags: ["api-v2.1", "web-v9"] })).toBe("2.1");
  expect(versionByPattern("api-v", "api-v*")).toBeUndefined();
  expect(versionByPattern("release-2.1-api", "release-*-api")).toBe("2.1");
});

test("an rpm that knows no caret gets a plus", () => {
  const changes = { ...after("v1.4.0"), target: "el8.x86_64" };

  expect(versionOf(FROM_TAG, changes)).toBe("1.4.0+3.gab12cd3");
});

test.each([
  [AUTO, "1%{?dist}"],
  [{ kind: "spec" } as const, null],
  [{ kind: "fixed", release: "7" } as const, "7"],
])("release %j", (rule, release) => {
  expect(packageVersion(FROM_TAG, rule, facts({ tags: ["v1"] }))).toMatchObject({ release });
});

/** Small numbers that are the same for the same seed. */
function seeded(seed: number) {
  let state = seed * 2_654_435_761;
  const int = (max: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * max);
  };
  return { int };
}

/** A history with tags on some commits, as the versions that are built along it. */
function versionsAlong(random: ReturnType<typeof seeded>, target: string): string[] {
  const built: string[] = [];
  const history: { before: VersionFacts["before"] } = { before: null };
  let [minor, patch, candidate] = [1, 0, 0];
  for (let count = 1; count <= 30; count += 1) {
    let tags: string[] = [];
    if (random.int(4) === 0) {
      if (candidate > 0 && random.int(2) === 0) candidate += 1;
      else if (candidate > 0) candidate = 0;
      else if (random.int(2) === 0) [minor, patch, candidate] = [minor + 1, 0, 1];
      else patch += 1;
      tags = [`v1.${minor}.${patch}${candidate > 0 ? `-rc.${candidate}` : ""}`];
    }
    built.push(versionOf(FROM_TAG, { target, tags, count, ...history }));
    const { before } = history;
    if (tags.length > 0) history.before = { tags, commits: 1 };
    else if (before !== null) history.before = { ...before, commits: before.commits + 1 };
  }
  return built;
}

test.each(["el9.x86_64", "el8.x86_64"])(
  "on %s each commit's version is newer than the one before, to rpm itself too",
  (target) => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const versions = versionsAlong(seeded(seed), target);
      const isSorted = versions.every((each, index) => {
        const last = versions[index - 1];
        return last === undefined || compareRpmVersions(last, each) < 0;
      });
      expect(isSorted, `seed ${seed}: ${versions.join(" < ")}`).toBe(true);
      if (seed <= 3) expect(sortedByRpm(versions)).toEqual(versions);
    }
  },
);

/** Sorted by rpm's own comparison. */
function sortedByRpm(versions: readonly string[]): string[] {
  const lua = `local v = {${versions.map((each) => `"${each}"`).join(",")}}
table.sort(v, function(a, b) return rpm.vercmp(a, b) < 0 end) print(table.concat(v, "\\n"))`;
  return execFileSync("rpm", ["--eval", `%{lua:${lua}}`])
    .toString()
    .trim()
    .split("\n");
}
