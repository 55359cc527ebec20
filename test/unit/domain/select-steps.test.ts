import { expect, test } from "vitest";
import { planJobs } from "../../../src/domain/plan-jobs.ts";
import { selectSteps } from "../../../src/domain/select-steps.ts";
import type { StepWish } from "../../../src/domain/select-steps.ts";
import {
  VERIFY,
  aMonorepo,
  aPackageStep,
  aPipeline,
  aService,
  aTest,
  anOnly,
  dockerfile,
  planFacts,
} from "../../support/a-pipeline.ts";

const pipeline = aPipeline({
  image: dockerfile(),
  services: [aService({ name: "db" }), aService({ name: "cache" })],
  tests: [
    aTest({ name: "make" }),
    aTest({
      name: "unit",
      needs: ["make"],
      services: ["db"],
      matrix: { variables: [{ name: "node", values: ["20", "22"] }], except: [] },
    }),
    aTest({ name: "lint" }),
    aTest({ name: "night", only: anOnly({ branches: ["nightly"] }) }),
  ],
  packages: [aPackageStep({ label: "hello", verify: VERIFY })],
});

function chosen(wish: StepWish, of = pipeline) {
  const { jobs, ...rest } = selectSteps(planJobs(of, planFacts()).jobs, wish);
  return { ...rest, jobs, steps: jobs.map(({ spec }) => spec.steps.map(({ name }) => name)) };
}

function named(...names: string[]) {
  return chosen({ kind: "named", names });
}

test("without names: every test, and no package", () => {
  expect(chosen({ kind: "tests" }).steps).toEqual([
    ["checkout", "image", "make", "unit-20", "unit-22", "lint", "night"],
  ]);
});

test("a name means every entry of its matrix, an id means one; both bring what they need", () => {
  const all = named("unit");
  const one = named("unit-22");

  expect(all.steps).toEqual([["checkout", "image", "make", "unit-20", "unit-22"]]);
  expect(one.steps).toEqual([["checkout", "image", "make", "unit-22"]]);
  expect(one.jobs[0]?.spec.services.map(({ name }) => name)).toEqual(["db"]);
  expect(one.jobs[0]?.spec.tests.map(({ step }) => step)).toEqual(["make", "unit-22"]);
});

test("a package comes without the tests, unless they keep files that it may need", () => {
  const keeping = aPipeline({
    tests: [
      aTest({ name: "make", keep: { files: ["out"], when: "passed", expiresMs: 1 } as never }),
      aTest({ name: "lint" }),
    ],
    packages: [aPackageStep({ label: "hello" })],
  });

  expect(named("package").steps).toEqual([["checkout", "image", "package"]]);
  expect(chosen({ kind: "named", names: ["package"] }, keeping).steps[0]).toContain("make");
  expect(chosen({ kind: "named", names: ["package"] }, keeping).steps[0]).not.toContain("lint");
});

test("a step that a rule leaves out is shown with its reason; one that does not exist is named", () => {
  const left = named("night");
  const none = named("units", "lint");

  expect(left.unknown).toEqual([]);
  expect(left.jobs[0]?.spec.steps.find(({ name }) => name === "night")?.skip).toContain("nightly");
  expect(none.unknown).toEqual(["units"]);
  expect(none.known).toEqual(expect.arrayContaining(["unit", "unit-20", "unit-22", "package"]));
});

test("of several projects only the jobs that are asked for stay, and their needs point at each other", () => {
  const both = aMonorepo([
    { name: "lib", tests: [aTest({ name: "test" })] },
    { name: "api", needs: ["lib"], tests: [aTest({ name: "test" }), aTest({ name: "api-only" })] },
  ]);

  const all = chosen({ kind: "tests" }, both);
  const one = chosen({ kind: "named", names: ["api-only"] }, both);

  expect(all.jobs.map(({ needs }) => needs)).toEqual([[], [0]]);
  expect(one.jobs.map(({ spec, needs }) => [spec.project, needs])).toEqual([["api", []]]);
});
