import { expect, test } from "vitest";
import type { Pipeline } from "../../../../src/domain/pipeline.ts";
import { planJobs } from "../../../../src/domain/plan-jobs.ts";
import { jobSpecMessage } from "../../../../src/shared/job-spec-message.ts";
import type { BuildGrant } from "../../../../src/shared/build-messages.ts";
import type { BuildImageOptions, ContainerSpec } from "../../../../workers/build/engine.ts";
import {
  aPackageStep,
  aPipeline,
  aService,
  aTest,
  dockerfile,
  planFacts,
} from "../../../support/a-pipeline.ts";
import { scriptedEngine } from "../../../support/scripted-engine.ts";
import type { ScriptedEngine } from "../../../support/scripted-engine.ts";
import { FILES, MADE, scriptedJobs } from "../../../support/scripted-jobs.ts";

const { setUp, expectNothingLeft } = scriptedJobs();
const COMMIT = { ...FILES, "a.spec": "Name: a\nVersion: 1.0\n" };
const FORK = {
  trust: "fork-pr",
  pullRequest: { number: 3, baseBranch: "main", headBranch: "x", isFork: true },
} as const;

function granted(pipeline: Pipeline): Partial<BuildGrant> {
  return {
    job: jobSpecMessage.parse(planJobs(pipeline, planFacts({ secrets: ["TOKEN"] })).jobs[0]?.spec),
  };
}

/** The engine, with what it was asked for. */
function watched(engine: ScriptedEngine, proxy: string | null = null) {
  const builds: BuildImageOptions[] = [];
  const containers: ContainerSpec[] = [];
  const watching: ScriptedEngine = {
    ...engine,
    createNetwork: async (...args) => ({ ...(await engine.createNetwork(...args)), proxy }),
    buildImage: (options, signal) => {
      builds.push(options);
      return engine.buildImage(options, signal);
    },
    createContainer: (spec, signal) => {
      containers.push(spec);
      return engine.createContainer(spec, signal);
    },
  };
  return { engine: watching, builds, containers };
}

test("a stranger's Dockerfile is built on a closed network, a member's as ever", async () => {
  const pipeline = aPipeline({ image: dockerfile(), tests: [aTest({ name: "unit" })] });
  const seen = watched(scriptedEngine());
  const { rig, grant } = await setUp(seen.engine, FILES, granted(pipeline));

  await rig.run({ ...grant, jobId: "j-fork", build: { ...grant.build, ...FORK } });
  await rig.run(grant);

  const [theirs, ours] = seen.builds;
  expect(theirs).toMatchObject({ isUntrusted: true, network: { egress: "mirrors" } });
  expect(ours).toMatchObject({ isUntrusted: false });
  expect(ours).not.toHaveProperty("network");
  await expectNothingLeft(seen.engine);
});

test.each([
  ["http://mirrors:3128", "localhost,127.0.0.1,db"],
  [null, undefined],
])("with the proxy %s a step goes to its services directly", async (proxy, direct) => {
  const tests = [aTest({ name: "unit", services: ["db"], network: "mirrors" })];
  const pipeline = aPipeline({ tests, services: [aService({ name: "db" })] });
  const seen = watched(scriptedEngine(), proxy);
  const { rig, grant } = await setUp(seen.engine, FILES, granted(pipeline));

  const told = await rig.run(grant);

  const unit = seen.containers.find(({ owner }) => owner.step === "unit");
  expect([unit?.env["no_proxy"], unit?.env["NO_PROXY"]]).toEqual([direct, direct]);
  // Who may reach mirrors only, and has none, reads why nothing answers.
  const log = told.logs.get("unit")?.toString() ?? "";
  expect(log.includes("TATARA_MIRROR_PROXY")).toBe(proxy === null);
});

test("a stranger's Dockerfile that names an address inside is refused before anybody asks there", async () => {
  const pipeline = aPipeline({ image: dockerfile(), tests: [aTest({ name: "unit" })] });
  const seen = watched(scriptedEngine());
  const files = { ...FILES, Dockerfile: "FROM y\nADD http://169.254.169.254/latest/ /x\n" };
  const { rig, grant } = await setUp(seen.engine, files, granted(pipeline));

  const told = await rig.run({ ...grant, build: { ...grant.build, ...FORK } });

  const failure = { code: "DOCKERFILE_INVALID", file: "Dockerfile" };
  expect(told.end).toMatchObject({ state: "failed", failure });
  expect(JSON.stringify(told.end)).toContain("TATARA_INTERNAL_HOSTS=");
  expect(seen.builds).toEqual([]);
});

test("a member's Dockerfile may name a registry of the team's own network", async () => {
  const pipeline = aPipeline({ image: dockerfile(), tests: [aTest({ name: "unit" })] });
  const seen = watched(scriptedEngine());
  const files = { ...FILES, Dockerfile: "FROM 10.0.0.7:5000/acme/base\n" };
  const { rig, grant } = await setUp(seen.engine, files, granted(pipeline));

  const told = await rig.run(grant);

  expect(told.end).toMatchObject({ state: "passed" });
  expect(seen.builds).toHaveLength(1);
});

test("a package is given its secrets as a test is: a file each, and where that is", async () => {
  const secrets = [{ name: "TOKEN", as: "file" }] as const;
  const pipeline = aPipeline({ packages: [aPackageStep({ secrets: [...secrets] })] });
  const seen = watched(scriptedEngine({ package: MADE }));
  const { rig, grant } = await setUp(seen.engine, COMMIT, granted(pipeline));

  await rig.run({ ...grant, secrets: [{ name: "TOKEN", value: "hunter2-hunter2" }] });

  const rpmbuild = seen.containers.find(({ owner }) => owner.step === "package");
  expect(rpmbuild?.env["TOKEN_FILE"]).toBe("/run/secrets/TOKEN");
  expect(rpmbuild?.secrets).toMatchObject([{ name: "TOKEN", value: "hunter2-hunter2" }]);
});

test("a package's own image is built once, in its own step", async () => {
  const files = { ...FILES, "Dockerfile.rpm": "FROM y\n" };
  const packages = [aPackageStep({ image: dockerfile("Dockerfile.rpm") })];
  const tests = [aTest({ name: "unit" })];
  const pipeline = aPipeline({ image: dockerfile(), tests, packages });
  // Slower than the project's image, which is there when the package could be begun ahead.
  const seen = watched(scriptedEngine({ package: MADE, "image-package": { lastsMs: 200 } }));
  const { rig, grant } = await setUp(seen.engine, files, granted(pipeline));

  await rig.run(grant);

  expect(seen.builds.map(({ owner }) => owner.step).toSorted()).toEqual(["image", "image-package"]);
});
