import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import {
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { extract } from "tar-stream";
import type { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readCommit } from "../../workers/build/commit.ts";
import type { Commit } from "../../workers/build/commit.ts";
import { openGit } from "../../workers/build/git.ts";
import type { Git } from "../../workers/build/git.ts";
import { openMirrors } from "../../workers/build/mirrors.ts";
import type { FetchRequest, Mirrors } from "../../workers/build/mirrors.ts";
import { repack } from "../../workers/build/tree-tar.ts";
import { createRepo } from "../support/git-host.ts";
import type { Files, ForgeRepo } from "../support/git-host.ts";
import { startGitHttp } from "../support/git-http.ts";
import type { GitHttp } from "../support/git-http.ts";

const never = new AbortController().signal;

let dir: string;
let git: Git;
let http: GitHttp;
let mirrors: Mirrors;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tatara-checkout-"));
  git = openGit({ path: process.env["PATH"] ?? "" });
  http = await startGitHttp(dir);
  mirrors = openMirrors({ dir: join(dir, "mirrors"), git, httpPrefixes: [http.url] });
});
afterEach(async () => {
  await http[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

let repos = 0;
async function aRepo(files: Files): Promise<ForgeRepo> {
  return await createRepo(dir, `acme/hello-${(repos += 1)}`, { files });
}

function requestFor(
  repo: ForgeRepo,
  { sha, ref = "refs/heads/main" }: { sha: string | null | undefined; ref?: string },
): FetchRequest {
  const url = `${http.url}/${repo.name}.git`;
  return { repo: repo.name, url, authorization: null, ref, sha: sha ?? "" };
}

async function checkOut(request: FetchRequest): Promise<Commit> {
  return await readCommit(git, await mirrors.fetch(request, never), never);
}

async function filesIn(tar: Readable): Promise<Record<string, string>> {
  const entries = extract();
  tar.on("error", (err) => entries.destroy(err)).pipe(entries);
  const found: Record<string, string> = {};
  for await (const entry of entries) {
    const { name, type, mode = 0, uid, gid, linkname } = entry.header;
    const content = type === "symlink" ? `-> ${linkname}` : (await buffer(entry)).toString();
    if (type !== "directory") found[name] = `${mode.toString(8)} ${uid}:${gid} ${content}`;
  }
  return found;
}

function treeOf(commit: Commit): Promise<Record<string, string>> {
  return filesIn(repack(commit.openTree(never), { uid: 1000, gid: 1000 }));
}

function rawGit(cwd: string, ...args: readonly string[]): string {
  const env = {
    PATH: process.env["PATH"],
    GIT_AUTHOR_NAME: "Eve",
    GIT_AUTHOR_EMAIL: "eve@example.com",
    GIT_COMMITTER_NAME: "Eve",
    GIT_COMMITTER_EMAIL: "eve@example.com",
    GIT_CONFIG_GLOBAL: "/dev/null",
  };
  return execFileSync("git", args, { cwd, env, input: "" }).toString().trim();
}

test("a commit's facts and files are read as they were pushed", async () => {
  const repo = await aRepo({ "bin/run*": "#!/bin/sh\n", "é ü.txt": "x", "a/b/c.txt": "deep" });
  await repo.commit({ "second.txt": "2" });
  const push = await repo.commit({ "third.txt": "3" }, { message: "Third: one\n\nbody" });

  const commit = await checkOut(requestFor(repo, push));

  expect(commit).toMatchObject({
    sha: push.sha,
    count: 3,
    subject: "Third: one",
    authorName: "Mona Lisa",
  });
  expect(commit.has("a/b/c.txt")).toBe(true);
  expect(commit.has("a/b")).toBe(false);
  expect(await treeOf(commit)).toEqual({
    "a/b/c.txt": "644 1000:1000 deep",
    "bin/run": "755 1000:1000 #!/bin/sh\n",
    "second.txt": "644 1000:1000 2",
    "third.txt": "644 1000:1000 3",
    "é ü.txt": "644 1000:1000 x",
  });
});

test("annotated and light tags on the commit are known, and a moved or deleted tag is too", async () => {
  const repo = await aRepo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  await repo.tag("v1.0", { annotation: "One" });
  await repo.tag("light");
  expect((await checkOut(requestFor(repo, push))).tags).toEqual(["light", "v1.0"]);

  await repo.deleteRef("refs/tags/light");
  const next = await repo.commit({ a: "3" });
  rawGit(repo.dir, "tag", "--force", "v1.0", "main");

  expect((await checkOut(requestFor(repo, next))).tags).toEqual(["v1.0"]);
  expect((await checkOut(requestFor(repo, push))).tags).toEqual([]);
});

test("a push of an annotated tag builds the commit that it names", async () => {
  const repo = await aRepo({ a: "1" });
  const push = await repo.tag("v2", { annotation: "Two" });

  const byTag = await checkOut(requestFor(repo, { sha: push.after, ref: push.ref }));

  expect(push.after).not.toBe(push.sha);
  expect(byTag.sha).toBe(push.sha);
});

test("a commit that a force-push replaced is still built while the forge has it", async () => {
  const repo = await aRepo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  await repo.forcePush({ a: "3" });

  expect((await checkOut(requestFor(repo, push))).sha).toBe(push.sha);
});

test("a commit that the forge has forgotten is a fault of its own, never another commit", async () => {
  const repo = await aRepo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  await repo.forcePush({ a: "3" });
  await repo.forgetUnreachable();

  await expect(checkOut(requestFor(repo, push))).rejects.toMatchObject({ code: "COMMIT_GONE" });
});

test("the commit of a deleted branch is built while the forge has it", async () => {
  const repo = await aRepo({ a: "1" });
  const push = await repo.commit({ a: "2" }, { branch: "gone" });
  await repo.deleteRef("refs/heads/gone");

  expect((await checkOut(requestFor(repo, push))).sha).toBe(push.sha);
});

test("a branch may become a folder of branches", async () => {
  const repo = await aRepo({ a: "1" });
  const first = await repo.commit({ a: "2" }, { branch: "feature" });
  await checkOut(requestFor(repo, first));
  await repo.deleteRef(first.ref);
  const next = await repo.commit({ a: "3" });
  rawGit(repo.dir, "update-ref", "refs/heads/feature/two", next.after);

  const commit = await checkOut(requestFor(repo, { ...next, ref: "refs/heads/feature/two" }));

  expect(commit.sha).toBe(next.sha);
});

test.each([
  [401, "CANNOT_FETCH", "refused the clone credential"],
  [403, "CANNOT_FETCH", "refused the clone credential"],
  [404, "CANNOT_FETCH", "has no such repo"],
  [503, "CANNOT_FETCH", "cannot be reached"],
])("a git host that answers %i is told apart", async (status, code, words) => {
  const repo = await aRepo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  http.answerWith = { status };

  const error: unknown = await checkOut(requestFor(repo, push)).catch((err: unknown) => err);

  expect(error).toMatchObject({ code, message: expect.stringContaining(words) });
});

test("a git host that does not answer is a fault of the network", async () => {
  const repo = await aRepo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  const request = requestFor(repo, push);
  await http[Symbol.asyncDispose]();
  http = await startGitHttp(dir);
  const closed = openMirrors({
    dir: join(dir, "m2"),
    git,
    httpPrefixes: [request.url.slice(0, 23)],
  });

  const fetching = closed.fetch({ ...request, url: "http://127.0.0.1:1/acme/hello.git" }, never);

  // Port 1 is below no allowed address either: it is the protocol that is refused.
  await expect(fetching).rejects.toMatchObject({ message: expect.stringContaining("not allowed") });
});

test("the credential goes to the repo's own address only, and stays nowhere on disk", async () => {
  const repo = await aRepo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  const authorization = "Basic Y2FuYXJ5OnBhc3N3b3JkLTAxMjM0NTY3";
  http.credential = authorization;

  await mirrors.fetch({ ...requestFor(repo, push), authorization }, never);

  expect(new Set(http.seen)).toEqual(new Set([authorization]));
  expect(() => execFileSync("grep", ["-r", "Y2FuYXJ5", join(dir, "mirrors")])).toThrow();
});

test("a redirect to another host is not followed", async () => {
  const repo = await aRepo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  await using other = await startGitHttp(dir);
  http.answerWith = {
    status: 302,
    headers: { location: `${other.url}/${repo.name}.git/info/refs?service=git-upload-pack` },
  };

  const fetching = mirrors.fetch(
    { ...requestFor(repo, push), authorization: "Basic c2VjcmV0OnNlY3JldA==" },
    never,
  );

  await expect(fetching).rejects.toMatchObject({ code: "CANNOT_FETCH" });
  expect(other.seen).toEqual([]);
});

test("a corrupt mirror is made anew", async () => {
  const repo = await aRepo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  const { gitDir } = await mirrors.fetch(requestFor(repo, push), never);
  const packs = join(gitDir, "objects", "pack");
  for (const name of await readdir(packs)) await truncate(join(packs, name), 20);
  const next = await repo.commit({ a: "3" });

  expect(await treeOf(await checkOut(requestFor(repo, next)))).toEqual({ a: "644 1000:1000 3" });
});

test("half a mirror, as a killed worker leaves it, is made anew", async () => {
  const repo = await aRepo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  const { gitDir } = await mirrors.fetch(requestFor(repo, push), never);
  await rm(join(gitDir, "source"), { recursive: true });

  expect((await checkOut(requestFor(repo, push))).sha).toBe(push.sha);
});

test("many jobs of one repo fetch into its mirror without harm", async () => {
  const repo = await aRepo({ a: "1" });
  const push = await repo.commit({ a: "2" });

  const commits = await Promise.all(
    Array.from({ length: 8 }, () => checkOut(requestFor(repo, push))),
  );

  expect(new Set(commits.map(({ sha }) => sha))).toEqual(new Set([push.sha]));
});

test("a repo that is larger than the limit is refused", { timeout: 60_000 }, async () => {
  const noise = Buffer.alloc(3_000_000);
  for (let index = 0; index < noise.length; index += 4)
    noise.writeUInt32LE((index * 2_654_435_761) >>> 0, index);
  const repo = await aRepo({ "noise.bin": noise });
  const push = await repo.commit({ a: "2" });
  const small = openMirrors({
    dir: join(dir, "small"),
    git,
    httpPrefixes: [http.url],
    bytesMax: 100_000,
  });

  await expect(small.fetch(requestFor(repo, push), never)).rejects.toMatchObject({
    code: "CHECKOUT_LIMIT",
  });
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

  await expect(mirrors.fetch(request, never)).rejects.toMatchObject({ code: "CANNOT_FETCH" });

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
  const repo = await aRepo({ a: "1" });
  const push = await repo.commit({ a: "2" });

  await expect(
    mirrors.fetch(requestFor(repo, { sha: push.sha, ref }), never),
  ).rejects.toMatchObject({
    code: "CANNOT_FETCH",
  });
  expect(http.seen).toEqual([]);
});

test("attributes of the repo run no filter, and hide nothing from the tests' workspace", async () => {
  const repo = await aRepo({
    ".gitattributes":
      "* filter=evil\nhidden export-ignore\nsubst export-subst\n*.lfs filter=lfs diff=lfs\n",
    hidden: "seen",
    subst: "$Format:%H$",
    "big.lfs": "version https://git-lfs.github.com/spec/v1\n",
    ".gitconfig": '[filter "evil"]\n\tsmudge = touch /tmp/tatara-pwned\n',
  });
  const push = await repo.commit({ a: "2" });

  const commit = await checkOut(requestFor(repo, push));
  const tree = await treeOf(commit);
  const source = await filesIn(repack(commit.openSource(never), { uid: 0, gid: 0 }));

  expect(tree["hidden"]).toContain("seen");
  expect(tree["subst"]).toContain("$Format:%H$");
  expect(Object.keys(source)).not.toContain("hidden");
  expect(source["subst"]).toContain(push.sha);
  expect(existsSync("/tmp/tatara-pwned")).toBe(false);
});

test("submodules stay empty, symlinks stay links wherever they point", async () => {
  const work = join(dir, "work");
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
  const repo = await aRepo({ a: "1" });
  const push = await repo.pushFrom(work);

  const fetching = checkOut(requestFor(repo, push));

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
  const repo = await aRepo({ a: "1" });
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

    await expect(checkOut(requestFor(repo, { sha }))).rejects.toMatchObject({
      code: "CANNOT_FETCH",
    });
  }
});

test("hooks, templates and settings of this machine's user are not used", async () => {
  const home = join(dir, "home");
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
    const repo = await aRepo({ a: "1" });
    const push = await repo.commit({ a: "2" });
    const { gitDir } = await mirrors.fetch(requestFor(repo, push), never);

    expect(existsSync("/tmp/tatara-pwned")).toBe(false);
    expect(existsSync(join(gitDir, "hooks"))).toBe(false);
    expect(await readFile(join(gitDir, "config"), "utf8")).not.toContain("remote");
  } finally {
    process.env["HOME"] = before;
  }
});

test("a fetch that is stopped ends at once, and the next one works", async () => {
  const repo = await aRepo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  const stop = new AbortController();
  stop.abort(new Error("stopped"));

  await expect(mirrors.fetch(requestFor(repo, push), stop.signal)).rejects.toThrow("stopped");

  expect((await checkOut(requestFor(repo, push))).sha).toBe(push.sha);
});
