import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { openGit } from "../../workers/build/source/git.ts";
import type { Git } from "../../workers/build/source/git.ts";
import { openMirrors } from "../../workers/build/source/mirrors.ts";
import { never, rawGit, startCheckoutRig, treeOf } from "../support/checkout-rig.ts";
import type { CheckoutRig } from "../support/checkout-rig.ts";

let rig: CheckoutRig;
beforeEach(async () => {
  rig = await startCheckoutRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

test("a commit's facts and files are read as they were pushed", async () => {
  const repo = await rig.repo({ "bin/run*": "#!/bin/sh\n", "é ü.txt": "x", "a/b/c.txt": "deep" });
  await repo.commit({ "second.txt": "2" });
  const push = await repo.commit({ "third.txt": "3" }, { message: "Third: one\n\nbody" });

  const commit = await rig.checkOut(rig.requestFor(repo, push));

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

test("of a file only the beginning is read, however large it is", async () => {
  const repo = await rig.repo({ "big.bin": Buffer.alloc(12_000_000, "x"), small: "s" });
  const push = await repo.commit({ a: "2" });

  const commit = await rig.checkOut(rig.requestFor(repo, push));

  expect((await commit.readFile("big.bin", never)).length).toBe(2 * 1024 ** 2);
  expect((await commit.readFile("small", never)).toString()).toBe("s");
});

test("annotated and light tags on the commit are known, and a moved or deleted tag is too", async () => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  await repo.tag("v1.0", { annotation: "One" });
  await repo.tag("light");
  expect((await rig.checkOut(rig.requestFor(repo, push))).tags).toEqual(["light", "v1.0"]);

  await repo.deleteRef("refs/tags/light");
  const next = await repo.commit({ a: "3" });
  rawGit(repo.dir, "tag", "--force", "v1.0", "main");

  expect((await rig.checkOut(rig.requestFor(repo, next))).tags).toEqual(["v1.0"]);
  expect((await rig.checkOut(rig.requestFor(repo, push))).tags).toEqual([]);
});

test("a push of an annotated tag builds the commit that it names", async () => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.tag("v2", { annotation: "Two" });

  const byTag = await rig.checkOut(rig.requestFor(repo, { sha: push.after, ref: push.ref }));

  expect(push.after).not.toBe(push.sha);
  expect(byTag.sha).toBe(push.sha);
});

test("a commit that a force-push replaced is still built while the forge has it", async () => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  await repo.forcePush({ a: "3" });

  expect((await rig.checkOut(rig.requestFor(repo, push))).sha).toBe(push.sha);
});

test("a commit that the forge has forgotten is a fault of its own, never another commit", async () => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  const forced = await repo.forcePush({ a: "3" });
  await repo.forgetUnreachable();

  await expect(rig.checkOut(rig.requestFor(repo, push))).rejects.toMatchObject({
    code: "COMMIT_GONE",
    refTip: forced.after,
  });
  await expect(
    rig.checkOut(rig.requestFor(repo, { ...push, ref: "refs/heads/never" })),
  ).rejects.toMatchObject({ code: "COMMIT_GONE", refTip: null });
});

test("the commit of a deleted branch is built while the forge has it", async () => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" }, { branch: "gone" });
  await repo.deleteRef("refs/heads/gone");

  expect((await rig.checkOut(rig.requestFor(repo, push))).sha).toBe(push.sha);
});

test("a branch may become a folder of branches", async () => {
  const repo = await rig.repo({ a: "1" });
  const first = await repo.commit({ a: "2" }, { branch: "feature" });
  await rig.checkOut(rig.requestFor(repo, first));
  await repo.deleteRef(first.ref);
  const next = await repo.commit({ a: "3" });
  rawGit(repo.dir, "update-ref", "refs/heads/feature/two", next.after);

  const commit = await rig.checkOut(
    rig.requestFor(repo, { ...next, ref: "refs/heads/feature/two" }),
  );

  expect(commit.sha).toBe(next.sha);
});

test.each([
  [401, "CANNOT_FETCH", "refused the clone credential"],
  [403, "CANNOT_FETCH", "refused the clone credential"],
  [404, "CANNOT_FETCH", "has no such repo"],
  [503, "CANNOT_FETCH", "cannot be reached"],
])("a git host that answers %i is told apart", async (status, code, words) => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  rig.http.answerWith = { status };

  const error: unknown = await rig
    .checkOut(rig.requestFor(repo, push))
    .catch((err: unknown) => err);

  expect(error).toMatchObject({ code, message: expect.stringContaining(words) });
});

test("a git host that does not answer is a fault of the network", async () => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  // Nobody listens at port 1.
  const options = {
    dir: join(rig.dir, "other"),
    git: rig.git,
    httpPrefixes: ["http://127.0.0.1:1"],
  };
  const url = "http://127.0.0.1:1/acme/hello.git";

  const fetching = openMirrors(options).fetch({ ...rig.requestFor(repo, push), url }, never);

  await expect(fetching).rejects.toMatchObject({
    code: "CANNOT_FETCH",
    message: expect.stringContaining("cannot be reached"),
  });
});

test("a corrupt mirror is made anew", async () => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  const { gitDir } = await rig.mirrors.fetch(rig.requestFor(repo, push), never);
  const packs = join(gitDir, "objects", "pack");
  for (const name of await readdir(packs)) await truncate(join(packs, name), 20);
  const next = await repo.commit({ a: "3" });

  expect(await treeOf(await rig.checkOut(rig.requestFor(repo, next)))).toEqual({
    a: "644 1000:1000 3",
  });
});

test("a mirror's full disk is told, not hidden behind another fetch, and forgotten with room", async () => {
  const disk = await mkdtemp(join(tmpdir(), "tatara-mirror-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tatara-test", disk]);
  onTestFinished(async () => {
    execFileSync("umount", ["--lazy", disk]);
    await rm(disk, { recursive: true, force: true });
  });
  const mirrors = openMirrors({ dir: disk, git: rig.git, httpPrefixes: [rig.http.url] });
  const repo = await rig.repo({ "a.txt": "1" });
  const first = await repo.commit({ "a.txt": "2" });
  await mirrors.fetch(rig.requestFor(repo, first), never);
  const next = await repo.commit({ "a.txt": "3" });
  await writeFile(join(disk, "filler"), Buffer.alloc(2 ** 21, 1)).catch(() => undefined);

  await expect(mirrors.fetch(rig.requestFor(repo, next), never)).rejects.toMatchObject({
    code: "DISK_FULL",
  });

  await rm(join(disk, "filler"));
  const found = await mirrors.fetch(rig.requestFor(repo, next), never);
  expect(found.sha).toBe(next.sha);
});

test.each(["rename", "write"] as const)(
  "a disk that refuses the %s of a ref is told, though git does not say why",
  async (call) => {
    const repo = await rig.repo({ "a.txt": "1" });
    const first = rig.requestFor(repo, await repo.commit({ "a.txt": "2" }));
    const { gitDir } = await rig.mirrors.fetch(first, never);
    const next = rig.requestFor(repo, await repo.commit({ "a.txt": "3" }));
    const git = await gitOnASickDisk(call, join(gitDir, "refs", "tatara"));
    const mirrors = openMirrors({ dir: dirname(gitDir), git, httpPrefixes: [rig.http.url] });

    await expect(mirrors.fetch(next, never)).rejects.toMatchObject({ code: "DISK_FULL" });

    expect((await rig.mirrors.fetch(next, never)).sha).toBe(next.sha);
  },
);

test("half a mirror, as a killed worker leaves it, is made anew", async () => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  const { gitDir } = await rig.mirrors.fetch(rig.requestFor(repo, push), never);
  await rm(join(gitDir, "source"), { recursive: true });

  expect((await rig.checkOut(rig.requestFor(repo, push))).sha).toBe(push.sha);
});

test("many jobs of one repo fetch into its mirror without harm", async () => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" });

  const commits = await Promise.all(
    Array.from({ length: 8 }, () => rig.checkOut(rig.requestFor(repo, push))),
  );

  expect(new Set(commits.map(({ sha }) => sha))).toEqual(new Set([push.sha]));
});

test("a repo that is larger than the limit is refused", { timeout: 60_000 }, async () => {
  const noise = Buffer.alloc(3_000_000);
  for (let index = 0; index < noise.length; index += 4)
    noise.writeUInt32LE((index * 2_654_435_761) >>> 0, index);
  const repo = await rig.repo({ "noise.bin": noise });
  const push = await repo.commit({ a: "2" });
  const small = openMirrors({
    dir: join(rig.dir, "small"),
    git: rig.git,
    httpPrefixes: [rig.http.url],
    bytesMax: 100_000,
  });

  await expect(small.fetch(rig.requestFor(repo, push), never)).rejects.toMatchObject({
    code: "CHECKOUT_LIMIT",
  });
});

test("a fetch that is stopped ends at once, and the next one works", async () => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  const stop = new AbortController();
  stop.abort(new Error("stopped"));

  await expect(rig.mirrors.fetch(rig.requestFor(repo, push), stop.signal)).rejects.toThrow(
    "stopped",
  );

  expect((await rig.checkOut(rig.requestFor(repo, push))).sha).toBe(push.sha);
});

/** A git whose fetches meet an I/O error when they write the ref, or give it its name. */
async function gitOnASickDisk(call: "rename" | "write", refs: string): Promise<Git> {
  const bin = await mkdtemp(join(tmpdir(), "tatara-sick-git-"));
  onTestFinished(() => rm(bin, { recursive: true, force: true }));
  const real = execFileSync("sh", ["-c", "command -v git"]).toString().trim();
  const paths = (await readdir(refs)).flatMap((name) => [name, `${name}.lock`]);
  const only = paths.map((name) => `-P ${join(refs, name)}`).join(" ");
  const strace = `strace -f -o /dev/null -e trace=${call} -e inject=${call}:error=EIO ${only}`;
  const script = `#!/bin/sh\ncase "$*" in *" fetch "*) exec ${strace} ${real} "$@" ;; esac\nexec ${real} "$@"\n`;
  await writeFile(join(bin, "git"), script, { mode: 0o755 });
  return openGit({ path: `${bin}:${process.env["PATH"] ?? ""}` });
}
