import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { lineOfInstruction } from "../../../../workers/build/source/dockerfile-line.ts";
import { engineAddress } from "../../../../workers/build/engine-address.ts";
import { fetchProblem, refusedByDisk } from "../../../../workers/build/source/fetch-problem.ts";
import { imageMemory } from "../../../../workers/build/image-memory.ts";
import { readRpmProblem } from "../../../../workers/build/rpm-log.ts";
import { stepEnvironment } from "../../../../workers/build/step-environment.ts";
import { readWorkerId } from "../../../../workers/build/worker-id.ts";

describe("the line of a failed instruction", () => {
  const dockerfile =
    "# syntax\nFROM x\n\nRUN a\nRUN make \\\n  # why\n  deps \\\n\n  more\nRUN a\n";

  test.each([
    ["FROM x", undefined, 2],
    ["RUN make   deps   more", undefined, 5],
    ["RUN a", undefined, 4],
    ["RUN a", 4, 10],
    ["RUN a", 3, 4],
    ["LABEL ours=1", 5, undefined],
  ])("%j, instruction %j, is %j", (text, number, line) => {
    expect(lineOfInstruction(dockerfile, { text, number })).toBe(line);
  });

  test("is found with another escape character", () => {
    expect(
      lineOfInstruction("# escape=`\nFROM x\nRUN a `\n  b\n", { text: "RUN a   b", number: 2 }),
    ).toBe(3);
  });
});

describe("what rpmbuild said", () => {
  test.each([
    [
      "error: Failed build dependencies:\n\tgcc is needed by x-1-1.x86_64\n\tfoo >= 2 is needed by x-1-1.x86_64\n",
      { code: "BUILD_REQUIRES_MISSING", message: expect.stringContaining("no gcc, foo >= 2,") },
    ],
    [
      "error: line 12: Unknown tag: Foo: bar\n",
      { code: "SPEC_INVALID", message: "Unknown tag: Foo: bar", line: 12 },
    ],
    [
      "error: /tatara/top/SPECS/a.spec: line 3: %if with no condition\n",
      { code: "SPEC_INVALID", line: 3, message: "%if with no condition" },
    ],
    [
      "error: License field must be present in package: (main package)\n",
      { code: "SPEC_INVALID", message: "License field must be present in package: (main package)" },
    ],
    [
      "error: Bad source: /tatara/top/SOURCES/a.tar.gz: No such file or directory\n",
      { code: "SPEC_SOURCE_MISSING", message: "a.tar.gz is not in the commit." },
    ],
    [
      "error: Installed (but unpackaged) file(s) found:\n   /usr/bin/a\n   /usr/share/b c\n\nRPM build errors:\n",
      {
        code: "RPM_BUILD_FAILED",
        message: "built but not listed in %files: /usr/bin/a, /usr/share/b c",
      },
    ],
    [
      "error: File not found: /tatara/top/BUILDROOT/a-1-1.x86_64/usr/bin/a\n",
      { code: "RPM_BUILD_FAILED", message: "listed in %files but not built: /usr/bin/a" },
    ],
    [
      "make: *** boom\nerror: Bad exit status from /tatara/tmp/rpm-tmp.X (%check)\n",
      { code: "RPM_BUILD_FAILED", message: "%check of a.spec failed" },
    ],
    [
      "error: Arch dependent binaries in noarch package\n",
      { code: "RPM_BUILD_FAILED", message: "Arch dependent binaries in noarch package" },
    ],
    ["", { code: "RPM_BUILD_FAILED", message: "rpmbuild failed" }],
  ])("%j is understood", (log, problem) => {
    expect(readRpmProblem(log, { path: "a.spec" })).toMatchObject(problem);
  });
});

test.each([
  ["fatal: unable to access 'https://x/': Could not resolve host: x", "network"],
  ["fatal: unable to access 'https://x/': The requested URL returned error: 503", "network"],
  ["fatal: unable to access 'https://x/': The requested URL returned error: 403", "auth"],
  ["fatal: could not read Username for 'https://x': terminal prompts disabled", "auth"],
  ["remote: Repository not found.\nfatal: repository 'https://x/' not found", "missing"],
  ["fatal: couldn't find remote ref refs/heads/gone", "ref-missing"],
  ["fatal: remote error: upload-pack: not our ref 1234", "commit-missing"],
  ["fatal: transport 'ext' not allowed", "protocol"],
  ["fatal: loose object 12 is corrupt", "other"],
])("git's %j means %s", (stderr, problem) => {
  expect(fetchProblem(stderr)).toBe(problem);
});

test.each([
  ["error: couldn't set 'refs/tatara/12'", true],
  ["error: cannot update ref 'refs/tatara/12': couldn't write '/m/refs/tatara/12.lock'", true],
  ["fatal: write error: No space left on device", true],
  ["fatal: sha1 file '/m/objects/pack/tmp_idx_1' write error. Out of diskspace", true],
  ["remote: error: couldn't set 'refs/heads/main'", false],
  ["error: cannot lock ref 'refs/tags/a/b': 'refs/tags/a' exists", false],
])("git's %j speaks of our disk: %s", (stderr, isDisk) => {
  expect(refusedByDisk(stderr)).toBe(isDisk);
});

test.each([
  ["unix:///var/run/docker.sock", { socketPath: "/var/run/docker.sock" }],
  ["tcp://10.0.0.1:2375", { host: "10.0.0.1", port: 2375 }],
  ["tcp://docker", { host: "docker", port: 2375 }],
])("the engine at %s", (text, address) => {
  expect(engineAddress(text)).toEqual(address);
});

test("an engine address that cannot be read says what is expected", () => {
  expect(() => engineAddress("ssh://x")).toThrow("unix:///path or tcp://host:port is expected");
});

test("an image is expected once two builds in a row had it", () => {
  const memory = imageMemory();
  const [a, b] = ["a", "b"].map((id) => ({ id, user: "", env: [], workingDir: "/", digest: id }));
  if (!a || !b) throw new Error();

  const seen = [a, a, b, b].map((image) => {
    memory.remember("x", image);
    return memory.expected("x")?.id;
  });

  expect(seen).toEqual([undefined, "a", undefined, "b"]);
  expect(memory.expected("y")).toBeUndefined();
});

test("a worker has the same id in each of its lives", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tatara-id-"));

  const first = await readWorkerId(join(dir, "w"), "Build Host.1");
  const second = await readWorkerId(join(dir, "w"), "Build Host.1");
  await writeFile(join(dir, "w", "id"), "../../not an id\n");
  const third = await readWorkerId(join(dir, "w"), "");

  expect(first).toMatch(/^build-host-1-[0-9a-f]{8}$/);
  expect(second).toBe(first);
  expect(third).toMatch(/^worker-[0-9a-f]{8}$/);
  await rm(dir, { recursive: true });
});

test("every variable that a step is promised is set, if need be to nothing", () => {
  const build = {
    id: "b",
    repo: "acme/hello",
    number: 7,
    sha: "a".repeat(40),
    ref: "refs/tags/v1",
    defaultBranch: "main",
    event: "push",
    pullRequest: null,
    trust: "trusted",
    url: "http://ci/7",
  } as const;

  const env = stepEnvironment({
    build,
    sha: build.sha,
    committedAtSeconds: 1_790_000_000,
    project: "",
    step: "unit",
    target: "el9.x86_64",
    workspace: "/workspace",
    home: "/root",
  });

  expect(env).toMatchObject({
    GIT_TAG: "v1",
    GIT_BRANCH: "",
    SOURCE_DATE_EPOCH: "1790000000",
    HOME: "/root",
  });
  const names =
    "BUILD_NUMBER BUILD_URL CI GIT_BASE GIT_BRANCH GIT_REF GIT_SHA GIT_TAG HOME PKG_RELEASE " +
    "PKG_VERSION PROJECT PR_NUMBER REPO SOURCE_DATE_EPOCH STEP TARGET TATARA TMPDIR WORKSPACE";
  expect(Object.keys(env).toSorted()).toEqual(names.split(" "));
});

test("a pull request's own branch, base and number are in the environment", () => {
  const env = stepEnvironment({
    build: {
      id: "b",
      repo: "acme/hello",
      number: 8,
      sha: "b".repeat(40),
      ref: "refs/pull/12/head",
      defaultBranch: "main",
      event: "pull-request",
      pullRequest: { number: 12, baseBranch: "main", headBranch: "topic", isFork: true },
      trust: "fork-pr",
      url: "http://ci/8",
    },
    sha: "b".repeat(40),
    committedAtSeconds: 1,
    project: "api",
    step: "unit",
    target: "el9.x86_64",
    workspace: "/workspace",
    home: "/root",
    packageVersion: "1.4.0",
    packageRelease: "1",
  });

  expect(env).toMatchObject({
    GIT_REF: "refs/pull/12/head",
    GIT_BRANCH: "topic",
    GIT_BASE: "main",
    GIT_TAG: "",
    PR_NUMBER: "12",
    PROJECT: "api",
    PKG_VERSION: "1.4.0",
    PKG_RELEASE: "1",
  });
});
