import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { initGitRepo } from "../../../src/cli/git-repo.ts";
import { tataraAt } from "../../support/run-tatara.ts";
import { aServer } from "../../support/start-server.ts";

const OFFLINE = { LANG: "C.UTF-8", HOME: "/nonexistent" };

/** A repository with these files, committed, and `tatara` in it without any server. */
async function aFolder(files: Readonly<Record<string, string>>) {
  const dir = await mkdtemp(join(tmpdir(), "tatara-folder-"));
  const options = {
    path: process.env["PATH"] ?? "",
    author: "Ada",
    signal: AbortSignal.timeout(60_000),
  };
  const repo = await initGitRepo(dir, options);
  await repo.commit(files, "first");
  const tatara = tataraAt({ url: "http://127.0.0.1:9", adminToken: "" });
  return {
    dir,
    repo,
    /** What it answers, and what the file is afterwards. */
    run: async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
      const end = await tatara(args, { cwd: dir, env: { ...OFFLINE, ...env } });
      const file = await readFile(join(dir, ".tatara.yml"), "utf8").catch(() => undefined);
      return { ...end, file };
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}

const DOCKERFILE = "FROM debian:12 AS build\nFROM build AS test\n";

test("check tells every mistake like a compiler does, and looks into the commit's files", async () => {
  await using folder = await aFolder({
    Dockerfile: DOCKERFILE,
    ".tatara.yml": "image: { build: ./Dockerfile, stage: tests }\ntests: make check\n",
  });

  const { code, stdout } = await folder.run(["check"]);

  expect(code).toBe(1);
  expect(stdout).toContain('.tatara.yml:1:38  ./Dockerfile has no stage "tests"');
  expect(stdout).toContain('.tatara.yml:2:1   unknown key "tests"');
  expect(stdout).toContain("2 problems. Nothing was built. Check again: tatara check");
});

test("check tells warnings and lets them pass", async () => {
  await using folder = await aFolder({
    ".tatara.yml": "test: { unit: { run: make, retain: out } }\n",
  });

  const { code, stdout, stderr } = await folder.run(["check", folder.dir]);

  expect(code).toBe(0);
  expect(stdout).toContain('"retain" is now "keep"; it stops working in 2.0 (warning)');
  expect(stdout).toContain("1 warning. The build goes on.");
  expect(stderr).toContain("were not checked");
});

test("check compares the file with the server's channels, targets and secrets", async () => {
  await using server = await aServer();
  await using folder = await aFolder({
    "hello.spec": "Name: hello\n",
    ".tatara.yml": "package: hello.spec\npublish: prod\n",
  });
  await folder.repo.git(["remote", "add", "tatara", `${server.url}/git/acme/hello.git`]);

  const env = { TATARA_URL: server.url, TATARA_TOKEN: server.adminToken };
  const { code, stdout, stderr } = await folder.run(["check"], env);
  const stranger = await folder.run(["check"], { ...env, TATARA_TOKEN: "wrong" });

  expect([code, stderr]).toEqual([1, ""]);
  expect(stdout).toContain('no channel "prod" on this server');
  expect(stranger).toMatchObject({ code: 0, stderr: expect.stringContaining("were not checked") });
});

test("init writes what it found and says so, and never writes over a file", async () => {
  await using folder = await aFolder({
    Dockerfile: DOCKERFILE,
    "rpm/hello.spec": "Name: hello\n",
    "package.json": '{"scripts":{"test":"vitest"}}',
  });

  const first = await folder.run(["init"]);
  const again = await folder.run(["init"]);
  const checked = await folder.run(["check"]);

  expect(first.stdout).toBe(
    ".tatara.yml: image ./Dockerfile, test stage test, package rpm/hello.spec\n",
  );
  expect(first.file).toContain("stage: test");
  expect(again).toMatchObject({ code: 2, file: first.file });
  expect(checked).toMatchObject({ code: 0, stdout: ".tatara.yml: no problems\n" });
});

test("init offers a test that a guess would not run, and each of several spec files", async () => {
  await using folder = await aFolder({ "a.spec": "", "rpm/b.spec": "", "go.mod": "module a\n" });

  const unknown = await folder.run(["init", "--package", "c.spec"]);
  const first = await folder.run(["init"]);
  await rm(join(folder.dir, ".tatara.yml"));
  const both = await folder.run(["init", "--package", "a.spec", "--package", "rpm/b.spec"]);

  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining("a.spec, rpm/b.spec") });
  expect(first.file).toContain("test: go test ./...");
  expect(first.stdout).toContain("several spec files: a.spec, rpm/b.spec");
  expect(both.file).toContain("package:\n  - a.spec\n  - rpm/b.spec\n");
});

test("init says when there is nothing to write down", async () => {
  await using folder = await aFolder({ "README.md": "Hello\n" });

  expect(await folder.run(["init"])).toMatchObject({ code: 2, file: undefined });
});

test("fix renames retired keys and touches nothing else", async () => {
  const before = `# ours\ntest:\n  unit:\n    run: make   # fast\n    'retain': [ out/** ]\r\n`;
  await using folder = await aFolder({ ".tatara.yml": before });

  const dry = await folder.run(["fix", "--dry-run"]);
  const done = await folder.run(["fix"]);
  const again = await folder.run(["fix"]);

  expect(dry).toMatchObject({ code: 0, file: before, stdout: ".tatara.yml:5  retain → keep\n" });
  expect(done.file).toBe(before.replace("retain", "keep"));
  expect(again.stdout).toBe(".tatara.yml: no retired keys\n");
});

test("explain prints the long form, which says the same", async () => {
  await using folder = await aFolder({
    Dockerfile: DOCKERFILE,
    "hello.spec": "Name: hello\n",
    ".tatara.yml": "test: make check\npackage: hello.spec\npublish: dev\n",
  });
  await folder.repo.git(["remote", "add", "tatara", "http://ci/git/acme/hello.git"]);
  await folder.repo.git(["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"]);

  const { stdout } = await folder.run(["explain"]);
  const pull = await folder.run(["explain", "--pull-request"]);
  await writeFile(join(folder.dir, ".tatara.yml"), stdout);
  const again = await folder.run(["explain"]);

  expect(stdout).toContain("publish:\n  dev:\n    branch:\n      - main\n");
  expect(stdout).toContain("on-newer-push: keep");
  expect(pull.stdout).toContain("on-newer-push: cancel");
  expect(again.stdout).toBe(stdout);
});

test("explain --spec prints the spec of a package that has none", async () => {
  await using folder = await aFolder({
    "hello.sh": "#!/bin/sh\necho Hello\n",
    ".tatara.yml":
      "package: { name: hello, summary: Says hello, license: MIT, arch: noarch, files: { /usr/bin/hello: hello.sh } }\n",
  });
  await folder.repo.git(["tag", "v1.4.0"]);

  const { code, stdout } = await folder.run(["explain", "--spec"]);
  const other = await folder.run(["explain", "--spec", "--package", "world"]);

  expect(code).toBe(0);
  expect(stdout).toMatch(/^Version: +1\.4\.0$/m);
  expect(stdout).toContain('%attr(0755, root, root) "/usr/bin/hello"');
  expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining("packages: hello") });
});
