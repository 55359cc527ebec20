import { afterAll, beforeAll, expect, test } from "vitest";
import { exampleFiles, tinyRepo, type SampleFiles } from "../support/sample-files.ts";
import { startTatara, type Tatara } from "../support/start-tatara.ts";
import { waitForStatus } from "../support/wait-for.ts";

// One Tatara for all: these builds do not touch each other, which is part of what is shown.
let tatara: Tatara;
beforeAll(async () => {
  tatara = await startTatara({ env: { TATARA_STEP_MEMORY_MIB: "256" } });
});
afterAll(() => tatara[Symbol.asyncDispose]());

async function pushAndFail(name: string, files: SampleFiles) {
  const repo = await tatara.createRepo(`acme/${name}`, files);
  await repo.push();
  return await tatara.until(`acme/${name}#1`, "failed");
}

test("a failing test names the test, its file and its line, on the card and on the commit", async () => {
  const repo = await tatara.createRepo("acme/broken-test");
  await repo.copyFrom("examples/hello-c");
  const source = (await exampleFiles("hello-c"))["src/hello.c"] ?? "";
  const sha = await repo.commit(
    { "src/hello.c": source.replace("Hello, ", "Howdy, ") },
    "break it",
  );
  await repo.push();

  const build = await tatara.until("acme/broken-test#1", "failed");

  expect(build.failure).toMatchObject({
    kind: "code",
    code: "STEP_FAILED",
    step: "test",
    evidence: "log",
  });
  expect(build.failure?.file).toBe("tests/check.sh");
  expect(build.failure?.line).toBeGreaterThan(1);
  expect(build.failure?.title).not.toBe("");
  expect(build.jobs[0]?.steps.find(({ name }) => name === "package")?.state).toBe("skipped");
  const status = await waitForStatus(tatara, "acme/broken-test", sha, "failure");
  expect(status.description).toContain(build.failure?.title.slice(0, 30));
});

test("a broken RUN line names the Dockerfile's line and the exit code", async () => {
  const build = await pushAndFail(
    "broken-dockerfile",
    tinyRepo({ dockerfile: "FROM tatara/base\nRUN true\nRUN echo about to fail && exit 7\n" }),
  );

  expect(build.failure).toMatchObject({
    code: "IMAGE_BUILD_FAILED",
    step: "image",
    file: "Dockerfile",
    line: 3,
  });
  expect(build.failure?.title).toContain("7");
});

test("a Dockerfile that asks for what does not exist is the user's fault", async () => {
  const build = await pushAndFail(
    "bad-dockerfile",
    tinyRepo({ dockerfile: "FROM tatara/base\nRUNN true\n" }),
  );

  expect(build.failure).toMatchObject({
    code: "DOCKERFILE_INVALID",
    step: "image",
    file: "Dockerfile",
  });
});

test("a broken spec names the spec", async () => {
  const files = tinyRepo();
  const build = await pushAndFail("broken-spec", {
    ...files,
    "tiny.spec": (files["tiny.spec"] ?? "").replace("Summary:", "Sumary:"),
  });

  expect(build.failure).toMatchObject({
    code: "SPEC_INVALID",
    step: "package",
    file: "tiny.spec",
    line: 4,
  });
});

test("a missing build requirement is named", async () => {
  const files = tinyRepo();
  const build = await pushAndFail("missing-requirement", {
    ...files,
    "tiny.spec": (files["tiny.spec"] ?? "").replace(
      "%description",
      "BuildRequires: no-such-thing\n%description",
    ),
  });

  expect(build.failure).toMatchObject({ code: "BUILD_REQUIRES_MISSING", step: "package" });
  expect(build.failure?.title).toContain("no-such-thing");
});

test("a bad pipeline file is shown with all its mistakes, each with line and column", async () => {
  const build = await pushAndFail("bad-file", {
    ...tinyRepo(),
    ".tatara.yml": "image: Dockerfile\ntests: make check\npackage: tiny.spec\n",
  });

  expect(build.failure).toMatchObject({
    code: "PIPELINE_FILE_INVALID",
    file: ".tatara.yml",
    line: 1,
  });
  expect(build.failure?.problems).toContain(".tatara.yml:1:8");
  expect(build.failure?.problems).toContain('did you mean "test"?');
  expect(build.file?.text).toContain("tests: make check");
  expect(build.file?.problems.map(({ code, line }) => `${line} ${code}`)).toEqual([
    "1 IMAGE_PATH",
    "2 KEY_UNKNOWN",
  ]);
});

test("a channel that does not exist is refused, with those that do", async () => {
  const files = tinyRepo();
  const build = await pushAndFail("bad-channel", {
    ...files,
    ".tatara.yml": (files[".tatara.yml"] ?? "").replace("publish: dev", "publish: prod"),
  });

  expect(build.failure).toMatchObject({ code: "PIPELINE_FILE_INVALID", file: ".tatara.yml" });
  expect(build.failure?.problems).toContain('no channel "prod" on this server');
  expect(build.failure?.problems).toContain("channels: dev, stable, testing");
});

test("nothing to build is skipped with success on the commit, never red", async () => {
  const repo = await tatara.createRepo("acme/nothing", { "README.md": "# Nothing here\n" });
  const sha = (await repo.git(["rev-parse", "HEAD"])).trim();
  await repo.push();

  const build = await tatara.until("acme/nothing#1", "skipped");

  expect(build.reason).toContain("nothing to build");
  await waitForStatus(tatara, "acme/nothing", sha, "success");
});

test("a test that eats its memory is out of memory, not merely failed", async () => {
  const build = await pushAndFail(
    "memory-hog",
    tinyRepo({ test: "head -c 1G /dev/zero | tail > /dev/null" }),
  );

  expect(build.failure).toMatchObject({ code: "OUT_OF_MEMORY", step: "test" });
});

test("every failure left nothing on the engine and the next build is unaffected", async () => {
  const repo = await tatara.createRepo("acme/after", tinyRepo({ name: "after" }));
  await repo.push();

  await tatara.until("acme/after#1", "passed");
});
