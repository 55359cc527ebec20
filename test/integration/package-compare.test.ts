import { afterAll, beforeAll, expect, test } from "vitest";
import { compareBuilds } from "../../src/server/compare-builds.ts";
import type { ArtifactView } from "../../src/server/views.ts";
import { aPackage, specSource, startPackageRig, TARGET } from "../support/package-rig.ts";
import type { Packaged, PackageRig } from "../support/package-rig.ts";

const SPEC = `Name: moody
Version: 1.0
Release: 1%{?dist}
Summary: Is another each time
License: MIT
BuildArch: noarch

%description
Is another each time.

%install
mkdir -p %{buildroot}/usr/share/moody
cat /proc/sys/kernel/random/uuid > %{buildroot}/usr/share/moody/id

%files
/usr/share/moody
`;

let rig: PackageRig;
beforeAll(async () => {
  rig = await startPackageRig();
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

function artifactsOf({ outcome }: Packaged): readonly ArtifactView[] {
  if (outcome.state === "failed") throw new Error(outcome.failure.message);
  return outcome.files.map(({ fileName, sizeBytes, sha256 }) => {
    return { jobId: "j", fileName, sizeBytes, sha256, target: TARGET };
  });
}

test("a comparison names the file that came out otherwise, and nothing else", async () => {
  const repo = await rig.repo({ "moody.spec": SPEC });
  const plan = aPackage({ source: specSource("moody.spec"), lint: "off" });
  const [one, other] = [await rig.make(repo, plan), await rig.make(repo, plan)];
  const paths = new Map<string, string>();
  for (const each of [one, other]) {
    if (each.outcome.state === "failed") throw new Error(each.log);
    for (const { sha256, path } of each.outcome.files) paths.set(sha256, path);
  }
  const find = async (sha256: string) => {
    const path = paths.get(sha256);
    return path === undefined ? undefined : { path };
  };
  const older = { artifacts: artifactsOf(one) };
  const newer = { artifacts: artifactsOf(other), state: "passed" } as const;

  const comparison = await compareBuilds(older, newer, find);

  expect(comparison.result).toBe("different");
  expect(comparison.packages.map(({ fileName, result }) => [fileName.slice(-10), result])).toEqual([
    ["noarch.rpm", "different"],
    ["12.src.rpm", "same"],
  ]);
  const [moody] = comparison.packages;
  expect(moody?.differences.map(({ what }) => what)).toEqual(["file /usr/share/moody/id"]);
  expect(await compareBuilds(older, { ...older, state: "passed" }, find)).toMatchObject({
    result: "same",
  });
  expect(await compareBuilds(older, { ...newer, state: "running" }, find)).toMatchObject({
    result: "unfinished",
  });
});
