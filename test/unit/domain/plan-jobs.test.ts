import { describe, expect, test } from "vitest";
import type { PlannedJob } from "../../../src/domain/job-spec.ts";
import type { Pipeline } from "../../../src/domain/pipeline.ts";
import type { PlanFacts } from "../../../src/domain/plan-facts.ts";
import { planJobs } from "../../../src/domain/plan-jobs.ts";
import {
  VERIFY,
  aMonorepo,
  aPackageStep,
  aPipeline,
  aRule,
  aService,
  aTest,
  anOnly,
  dockerfile,
  named,
  planFacts,
  pullRequestFrom,
  pushOf,
} from "../../support/a-pipeline.ts";

const plan = (pipeline: Pipeline, facts: Partial<PlanFacts> = {}) =>
  planJobs(pipeline, planFacts(facts));

/** `el9.x86_64: checkout, image, test`, with what does not run in brackets. */
function told(jobs: readonly PlannedJob[]): readonly string[] {
  return jobs.map(({ spec, skip }) => {
    const steps = spec.steps.map((step) => (step.skip === null ? step.title : `[${step.title}]`));
    return skip === null ? `${spec.name}: ${steps.join(", ")}` : `${spec.name} [${skip}]`;
  });
}

describe("the examples of the specification", () => {
  test("(a) a Dockerfile and a spec", () => {
    const { jobs, nothingToDo } = plan(
      aPipeline({
        image: dockerfile(),
        tests: [aTest({ run: "make check" })],
        packages: [aPackageStep({ label: "hello", verify: VERIFY })],
        publish: [aRule()],
      }),
    );

    expect(nothingToDo).toBeNull();
    expect(told(jobs)).toEqual([
      "el9.x86_64: checkout, image, test, package",
      "el9.x86_64 verify: verify",
    ]);
    expect(jobs.map(({ needs }) => needs)).toEqual([[], [0]]);
    expect(jobs[0]?.spec.packages[0]).toMatchObject({ step: "package", isTargetFixed: false });
  });

  const exampleB = aPipeline({
    image: dockerfile(),
    services: [aService({ name: "db", ready: "pg_isready -U postgres" })],
    tests: [
      aTest({ name: "lint", run: "npm ci && npm run lint" }),
      aTest({
        name: "unit",
        matrix: { variables: [{ name: "node", values: ["20", "22", "24"] }], except: [] },
        image: named("node:${matrix.node}"),
        services: ["db"],
        reports: ["out/junit.xml"],
      }),
    ],
    packages: [
      aPackageStep({
        label: "hello-api",
        for: ["el9", "el10", "fedora-43"],
        arch: ["noarch"],
        run: "npm ci && npm run build",
        verify: { ...VERIFY, run: "hello-api --version" },
      }),
    ],
    publish: [aRule(), aRule({ channel: "testing", tags: ["v*"] })],
  });

  test("(b) matrix, a service, three targets, a noarch package", () => {
    const { jobs } = plan(exampleB);

    expect(told(jobs)).toEqual([
      "el9.x86_64: checkout, image, lint, unit (node 20), unit (node 22), unit (node 24), package",
      "el10.x86_64: checkout, image, package",
      "fedora-43.x86_64: checkout, image, package",
      "el9.x86_64 verify: verify",
      "el10.x86_64 verify: verify",
      "fedora-43.x86_64 verify: verify",
    ]);
    expect(jobs.map(({ needs }) => needs)).toEqual([[], [0], [0], [0, 1, 2], [0, 1, 2], [0, 1, 2]]);
    const [first] = jobs;
    expect(first?.spec.tests[2]).toMatchObject({ step: "unit-22", matrix: { NODE: "22" } });
    expect(first?.spec.images.map(({ step, image }) => [step, image.kind])).toEqual([
      ["image", "dockerfile"],
      [null, "named"],
      [null, "named"],
      [null, "named"],
    ]);
    expect(first?.spec.services.map(({ name }) => name)).toEqual(["db"]);
    expect(jobs[1]?.spec.services).toEqual([]);
    expect(jobs[1]?.spec.packages[0]).toMatchObject({ isNoarch: true, isTargetFixed: true });
  });

  const exampleC = aMonorepo(
    [
      { name: "common", path: "libs/common", image: named("golang:1.25"), tests: [aTest()] },
      {
        name: "api",
        path: "services/api",
        needs: ["common"],
        image: dockerfile("services/api/Dockerfile"),
        tests: [aTest()],
        packages: [aPackageStep({ label: "api", verify: VERIFY })],
        publish: [aRule()],
      },
      {
        name: "agent",
        path: "services/agent",
        needs: ["common"],
        image: dockerfile("services/agent/Dockerfile"),
        tests: [
          aTest({ name: "unit" }),
          aTest({ name: "e2e", only: anOnly({ branches: ["main"] }) }),
        ],
        packages: [aPackageStep({ label: "agent", verify: VERIFY })],
        publish: [aRule()],
      },
      { name: "docs", path: "docs", also: ["**/*.md"], image: named("node:24"), tests: [aTest()] },
    ],
    { runAllOn: [".tatara.yml", "go.work", "build/**"] },
  );
  const changed = (...files: string[]) => ({
    changes: { common: files, api: files, agent: files, docs: files },
  });

  test("(c) a change of one project runs that one", () => {
    const { jobs } = plan(exampleC, changed("services/api/main.go"));

    expect(told(jobs)).toEqual([
      "common el9.x86_64 [no changed file concerns it]",
      "api el9.x86_64: checkout, image, test, package",
      "agent el9.x86_64 [no changed file concerns it]",
      "docs el9.x86_64 [no changed file concerns it]",
      "api el9.x86_64 verify: verify",
    ]);
    // What does not run is waited for by nobody.
    expect(jobs[1]?.needs).toEqual([]);
  });

  test("(c) a change of what others need runs it first, then those", () => {
    const { jobs } = plan(exampleC, changed("libs/common/a.go"));

    expect(told(jobs)).toEqual([
      "common el9.x86_64: checkout, image, test",
      "api el9.x86_64: checkout, image, test, package",
      "agent el9.x86_64: checkout, image, unit, e2e, package",
      "docs el9.x86_64 [no changed file concerns it]",
      "api el9.x86_64 verify: verify",
      "agent el9.x86_64 verify: verify",
    ]);
    expect(jobs.map(({ needs }) => needs)).toEqual([[], [0], [0], [], [0, 1, 2], [0, 1, 2]]);
  });

  test("(c) a pull request that changes only the manual; a file for all runs all", () => {
    const git = pullRequestFrom("same-repo");
    const ran = (facts: Partial<PlanFacts>) =>
      plan(exampleC, { git, ...facts }).jobs.filter(({ skip }) => skip === null).length;

    expect(told(plan(exampleC, { git, ...changed("docs/a.txt") }).jobs)[3]).toBe(
      "docs el9.x86_64: checkout, image, test",
    );
    expect(ran(changed("docs/a.txt"))).toBe(1);
    expect(ran(changed("services/api/README.md"))).toBe(3);
    expect(ran(changed("build/x/y"))).toBe(6);
    expect(ran({})).toBe(6);
    expect(plan(exampleC, { git, ...changed("LICENSE") }).nothingToDo).toBe(
      "0 of 4 projects ran: no changed file concerns it",
    );
  });

  test("(c) on a branch that is not main the end-to-end test is left out, and says so", () => {
    const { jobs } = plan(exampleC, { git: pullRequestFrom("same-repo") });
    const e2e = jobs[2]?.spec.steps.find(({ name }) => name === "e2e");

    expect(e2e?.skip).toBe("not on pull requests");
    expect(jobs[2]?.spec.tests.map(({ step }) => step)).toEqual(["unit"]);
  });
});

describe("matrices and ids", () => {
  test("several variables, what is left out, and templates of all kinds", () => {
    const matrix = {
      variables: [
        { name: "node", values: ["22", "24"] },
        { name: "pg-version", values: ["16", "17"] },
      ],
      except: [{ node: "22", "pg-version": "17" }],
    };
    const { jobs } = plan(
      aPipeline({
        tests: [
          aTest({
            name: "unit",
            matrix,
            image: named("node:${matrix.node}"),
            env: { A: "${git.short}-$${git.sha}-${matrix.pg-version}", B: "${other.x}" },
            reports: ["out/${matrix.node}.xml"],
            cache: { paths: ["~/.npm-${matrix.node}"], keyFiles: null },
            keep: { files: ["dist/${git.branch}/**"], expiresMs: 1, after: "passed" },
          }),
        ],
      }),
    );

    const [job] = jobs;
    expect(job?.spec.tests.map(({ step }) => step)).toEqual([
      "unit-22-16",
      "unit-24-16",
      "unit-24-17",
    ]);
    expect(job?.spec.steps.at(-1)?.title).toBe("unit (node 24, pg-version 17)");
    expect(job?.spec.tests[2]).toMatchObject({
      matrix: { NODE: "24", PG_VERSION: "17" },
      env: { A: "c0ffee1-${git.sha}-17", B: "${other.x}" },
      reports: ["out/24.xml"],
      cache: { paths: ["~/.npm-24"] },
      keep: { files: ["dist/main/**"] },
    });
  });

  test("values that an id cannot hold become one that can; equal ones are told apart", () => {
    const values = ["A/B", "a-b", "ü"];
    const { jobs } = plan(
      aPipeline({
        tests: [aTest({ name: "t", matrix: { variables: [{ name: "x", values }], except: [] } })],
      }),
    );

    const ids = jobs[0]?.spec.tests.map(({ step }) => step) ?? [];
    expect(ids).toEqual(["t-a-b", "t-a-b-2", "t--"]);
    for (const id of ids) expect(id).toMatch(/^[a-z0-9][a-z0-9._-]{0,62}$/);
  });

  test("a value that makes no image name is refused, whatever it would pull", () => {
    const matrix = { variables: [{ name: "v", values: ["24 --privileged"] }], except: [] };
    const pipeline = aPipeline({ tests: [aTest({ matrix, image: named("node:${matrix.v}") })] });

    expect(() => plan(pipeline)).toThrow('"node:24 --privileged" is no name of an image');
  });

  test("equal images are one, others have a step each, named after what uses them first", () => {
    const matrix = { variables: [{ name: "v", values: ["1", "2"] }], except: [] };
    const own = dockerfile("ci/Dockerfile");
    const { jobs } = plan(
      aPipeline({
        image: dockerfile(),
        tests: [
          aTest({ name: "same", image: dockerfile() }),
          aTest({ name: "a", image: own }),
          aTest({ name: "b", image: own }),
          aTest({
            name: "m",
            matrix,
            image: dockerfile("Dockerfile", { args: { V: "${matrix.v}" } }),
          }),
        ],
        packages: [aPackageStep({ image: dockerfile("rpm/Dockerfile") })],
      }),
    );

    const spec = jobs[0]?.spec;
    expect(spec?.images.map(({ step }) => step)).toEqual([
      "image",
      "image-a",
      "image-m-1",
      "image-m-2",
      "image-package",
    ]);
    expect(spec?.tests.map(({ image }) => image)).toEqual([
      "image",
      "image-a",
      "image-a",
      "image-m-1",
      "image-m-2",
    ]);
    expect(spec?.steps.map(({ title }) => title)).toContain("image m (v 2)");
  });

  test("what tests need are steps: all entries of a matrix; a need that does not run takes along", () => {
    const matrix = { variables: [{ name: "v", values: ["1", "2"] }], except: [] };
    const { jobs } = plan(
      aPipeline({
        tests: [
          aTest({ name: "build", matrix }),
          aTest({ name: "e2e", needs: ["build"] }),
          aTest({ name: "nightly", only: anOnly({ schedule: true }) }),
          aTest({ name: "after", needs: ["nightly"] }),
          aTest({ name: "last", needs: ["after"] }),
        ],
      }),
    );

    const spec = jobs[0]?.spec;
    expect(spec?.tests.find(({ step }) => step === "e2e")?.needs).toEqual(["build-1", "build-2"]);
    expect(spec?.steps.slice(-3).map(({ skip }) => skip)).toEqual([
      "not on branches",
      "nightly does not run",
      "after does not run",
    ]);
  });
});

describe("targets and packages", () => {
  test("distributions by architectures; a whole target is itself", () => {
    const { jobs } = plan(
      aPipeline({
        packages: [
          aPackageStep({ label: "one", for: ["el9"], arch: ["x86_64", "aarch64"] }),
          aPackageStep({ label: "two", for: ["el10.x86_64", "el9"], run: "make" }),
        ],
      }),
    );

    expect(told(jobs)).toEqual([
      "el9.x86_64: checkout, image, package one, package two",
      "el9.aarch64: checkout, package one",
      "el10.x86_64: checkout, image, package two",
    ]);
    expect(jobs.map(({ arch }) => arch)).toEqual(["x86_64", "aarch64", "x86_64"]);
    expect(jobs.map(({ needs }) => needs)).toEqual([[], [0], [0]]);
  });

  test("a target that the server does not know is refused with those it knows", () => {
    const pipeline = aPipeline({ packages: [aPackageStep({ for: ["el9", "el11"] })] });

    expect(() => plan(pipeline)).toThrow('this server has no target "el11.x86_64"');
  });

  test("a package that only tags make is left out elsewhere, with its verify job", () => {
    const pipeline = aPipeline({
      tests: [aTest()],
      packages: [
        aPackageStep({ for: ["el9", "el10"], verify: VERIFY, only: anOnly({ tags: ["v*"] }) }),
      ],
    });

    expect(told(plan(pipeline).jobs)).toEqual([
      "el9.x86_64: checkout, image, test, [package]",
      "el10.x86_64 [not on branches]",
    ]);
    const tagged = plan(pipeline, { git: pushOf("refs/tags/v1") });
    expect(tagged.jobs).toHaveLength(4);
  });

  test("several packages are verified step by step; without the rule not at all", () => {
    const { jobs } = plan(
      aPipeline({
        packages: [
          aPackageStep({ label: "one", verify: VERIFY, repos: ["epel"] }),
          aPackageStep({ label: "two", verify: { ...VERIFY, run: "two --version" } }),
          aPackageStep({ label: "three" }),
        ],
      }),
    );

    expect(told(jobs).at(-1)).toBe("el9.x86_64 verify: verify one, verify two");
    expect(jobs.at(-1)?.spec.verify).toMatchObject([
      { step: "verify-one", label: "one", repos: ["epel"], run: null },
      { step: "verify-two", label: "two", repos: [], run: "two --version" },
    ]);
  });
});

describe("trust and limits", () => {
  test("a fork gets no secrets, no network of its own, and publishes nothing", () => {
    const secrets = [{ name: "TOKEN", as: "env" as const }];
    const pipeline = aPipeline({
      image: dockerfile("Dockerfile", { secrets: ["TOKEN"] }),
      tests: [aTest({ secrets }), aTest({ name: "off", network: "none" })],
      packages: [aPackageStep({ secrets, rpmbuildNetwork: true, verify: VERIFY })],
    });
    const [job, verify] = plan(pipeline, {
      git: pullRequestFrom("fork"),
      trust: "fork-pr",
      mayPublish: false,
      secrets: ["TOKEN"],
    }).jobs;

    expect(job?.spec.tests.map(({ network }) => network)).toEqual(["mirrors", "none"]);
    expect(job?.spec.packages[0]).toMatchObject({ network: "mirrors", rpmbuildNetwork: false });
    expect(JSON.stringify(job)).not.toContain("TOKEN");
    expect(verify?.skip).toBe("not verified: this build publishes nothing");
    const [trusted] = plan(pipeline, { secrets: ["TOKEN"] }).jobs;
    expect(trusted?.spec.tests[0]?.secrets).toEqual(secrets);
    expect(JSON.stringify(plan(pipeline).jobs)).not.toContain("TOKEN");
  });

  test("too many jobs or steps are refused before anything is recorded", () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => index);
    const wide = aMonorepo(
      many(101).map((n) => ({ name: `p${n}`, path: `p${n}`, tests: [aTest()] })),
    );
    const long = aPipeline({ tests: many(99).map((n) => aTest({ name: `t${n}` })) });

    expect(() => plan(wide)).toThrow("jobs: 101, the limit is 100");
    expect(() => plan(long)).toThrow("steps of el9.x86_64: 101, the limit is 100");
    // What does not run costs nothing.
    const changes = Object.fromEntries(many(101).map((n) => [`p${n}`, n === 7 ? ["p7/a"] : []]));
    expect(plan(wide, { changes }).jobs.filter(({ skip }) => skip === null)).toHaveLength(1);
  });

  test("a build that `when` leaves out has nothing to do, unless a person asked for it", () => {
    const pipeline = aPipeline({ tests: [aTest()] });
    const git = pushOf("refs/heads/topic");

    expect(plan(pipeline, { git }).nothingToDo).toBe("branch topic is not the default branch main");
    expect(plan(pipeline, { git, isByHand: true }).nothingToDo).toBeNull();
    expect(plan(pipeline, { git, buildsAllBranches: true }).nothingToDo).toBeNull();
  });
});
