import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { repack } from "../../workers/build/source/tree-tar.ts";
import { filesIn, never, rawGit, startCheckoutRig, treeOf } from "../support/checkout-rig.ts";
import type { CheckoutRig } from "../support/checkout-rig.ts";
import { startGitHttp } from "../support/git-http.ts";

let rig: CheckoutRig;
beforeEach(async () => {
  rig = await startCheckoutRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

test("the credential goes to the repo's own address only, and stays nowhere on disk", async () => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  const authorization = "Basic Y2FuYXJ5OnBhc3N3b3JkLTAxMjM0NTY3";
  rig.http.credential = authorization;

  await rig.mirrors.fetch({ ...rig.requestFor(repo, push), authorization }, never);

  expect(new Set(rig.http.seen)).toEqual(new Set([authorization]));
  expect(() => execFileSync("grep", ["-r", "Y2FuYXJ5", join(rig.dir, "mirrors")])).toThrow();
});

test("a redirect to another host is not followed", async () => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  await using other = await startGitHttp(rig.dir);
  rig.http.answerWith = {
    status: 302,
    headers: { location: `${other.url}/${repo.name}.git/info/refs?service=git-upload-pack` },
  };

  const fetching = rig.mirrors.fetch(
    { ...rig.requestFor(repo, push), authorization: "Basic c2VjcmV0OnNlY3JldA==" },
    never,
  );

  await expect(fetching).rejects.toMatchObject({ code: "CANNOT_FETCH" });
  expect(other.seen).toEqual([]);
});

test.each([
  "ext::sh -c touch% /tmp/tatara-pwned",
  "EXT::sh -c touch% /tmp/tatara-pwned",
  "file:///etc",
  "/etc",
  "../acme",
  "git://127.0.0.1/x",
  "--upload-pack=touch /tmp/tatara-pwned",
  "-oProxyCommand=touch /tmp/tatara-pwned",
  "fd::17",
  "http://127.0.0.1:1/x",
])("the address %j is never followed", async (url) => {
  const request = {
    repo: "a/b",
    url,
    authorization: null,
    ref: "refs/heads/main",
    sha: "a".repeat(40),
  };

  await expect(rig.mirrors.fetch(request, never)).rejects.toMatchObject({ code: "CANNOT_FETCH" });

  expect(existsSync("/tmp/tatara-pwned")).toBe(false);
});

test.each([
  "--upload-pack=x",
  "refs/heads/-x",
  "refs/heads/a..b",
  "main",
  "refs/heads/a b",
  "refs/heads/a:b",
  "",
])("the ref %j reaches no command", async (ref) => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" });

  await expect(
    rig.mirrors.fetch(rig.requestFor(repo, { sha: push.sha, ref }), never),
  ).rejects.toMatchObject({
    code: "CANNOT_FETCH",
  });
  expect(rig.http.seen).toEqual([]);
});

test("attributes of the repo run no filter, and hide nothing from the tests' workspace", async () => {
  const repo = await rig.repo({
    ".gitattributes":
      "* filter=evil\nhidden export-ignore\nsubst export-subst\n*.lfs filter=lfs diff=lfs\n",
    hidden: "seen",
    subst: "$Format:%H$",
    "big.lfs": "version https://git-lfs.github.com/spec/v1\n",
    ".gitconfig": '[filter "evil"]\n\tsmudge = touch /tmp/tatara-pwned\n',
  });
  const push = await repo.commit({ a: "2" });

  const commit = await rig.checkOut(rig.requestFor(repo, push));
  const tree = await treeOf(commit);
  const source = await filesIn(repack(commit.openSource(never), { uid: 0, gid: 0 }));

  expect(tree["hidden"]).toContain("seen");
  expect(tree["subst"]).toContain("$Format:%H$");
  expect(Object.keys(source)).not.toContain("hidden");
  expect(source["subst"]).toContain(push.sha);
  expect(existsSync("/tmp/tatara-pwned")).toBe(false);
});

test("submodules stay empty, symlinks stay links wherever they point", async () => {
  const work = join(rig.dir, "work");
  await mkdir(work);
  rawGit(work, "init", "--quiet", "-b", "main");
  await writeFile(
    join(work, ".gitmodules"),
    '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch /tmp/tatara-pwned"\n',
  );
  await symlink("/etc/passwd", join(work, "outside"));
  await symlink("../../..", join(work, "up"));
  rawGit(work, "add", "--all");
  rawGit(work, "update-index", "--add", "--cacheinfo", `160000,${"b".repeat(40)},x`);
  rawGit(work, "commit", "--quiet", "-m", "links");
  const repo = await rig.repo({ a: "1" });
  const push = await repo.pushFrom(work);

  const fetching = rig.checkOut(rig.requestFor(repo, push));

  // Whether git's own check refuses the submodule's address is git's to say; nothing may run either way.
  const commit = await fetching.catch(() => undefined);
  if (commit) {
    const tree = await treeOf(commit);
    expect(tree["outside"]).toBe("777 1000:1000 -> /etc/passwd");
    expect(tree["up"]).toBe("777 1000:1000 -> ../../..");
    expect(Object.keys(tree).some((path) => path.startsWith("x/"))).toBe(false);
  }
  expect(existsSync("/tmp/tatara-pwned")).toBe(false);
});

test("a tree with a path that leaves the repo, or a .git folder, is refused by git itself", async () => {
  const repo = await rig.repo({ a: "1" });
  const blob = rawGit(repo.dir, "hash-object", "-w", "--stdin");
  for (const name of ["..", ".git"]) {
    const inner = execFileSync(
      "git",
      ["hash-object", "-w", "-t", "tree", "--literally", "--stdin"],
      {
        cwd: repo.dir,
        input: Buffer.concat([Buffer.from("100644 config\0"), Buffer.from(blob, "hex")]),
      },
    );
    const outer = execFileSync(
      "git",
      ["hash-object", "-w", "-t", "tree", "--literally", "--stdin"],
      {
        cwd: repo.dir,
        input: Buffer.concat([
          Buffer.from(`40000 ${name}\0`),
          Buffer.from(inner.toString().trim(), "hex"),
        ]),
      },
    );
    const sha = rawGit(repo.dir, "commit-tree", outer.toString().trim(), "-m", "hostile");
    rawGit(repo.dir, "update-ref", "refs/heads/main", sha);

    await expect(rig.checkOut(rig.requestFor(repo, { sha }))).rejects.toMatchObject({
      code: "CANNOT_FETCH",
    });
  }
});

test("hooks, templates and settings of this machine's user are not used", async () => {
  const home = join(rig.dir, "home");
  await mkdir(join(home, "hooks"), { recursive: true });
  await writeFile(
    join(home, ".gitconfig"),
    `[core]\n\thooksPath = ${home}/hooks\n[init]\n\ttemplateDir = ${home}\n`,
  );
  await writeFile(
    join(home, "hooks", "reference-transaction"),
    "#!/bin/sh\ntouch /tmp/tatara-pwned\n",
    { mode: 0o755 },
  );
  const before = process.env["HOME"];
  process.env["HOME"] = home;
  try {
    const repo = await rig.repo({ a: "1" });
    const push = await repo.commit({ a: "2" });
    const { gitDir } = await rig.mirrors.fetch(rig.requestFor(repo, push), never);

    expect(existsSync("/tmp/tatara-pwned")).toBe(false);
    expect(existsSync(join(gitDir, "hooks"))).toBe(false);
    expect(await readFile(join(gitDir, "config"), "utf8")).not.toContain("remote");
  } finally {
    process.env["HOME"] = before;
  }
});
