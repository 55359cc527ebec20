import { mkdtemp, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { BuildGrant } from "../../src/shared/build-messages.ts";
import { readCommit, TREE_MAX } from "../../workers/build/source/commit.ts";
import { openMirrors } from "../../workers/build/source/mirrors.ts";
import { checkOut } from "../../workers/build/steps/checkout.ts";
import { never, rawGit, startCheckoutRig, treeOf } from "../support/checkout-rig.ts";
import type { CheckoutRig } from "../support/checkout-rig.ts";
import type { Files, ForgeRepo } from "../support/git-host.ts";
import type { PushToTell } from "../support/github-deliveries.ts";
import { processesThatMention } from "../support/leftover-processes.ts";

let rig: CheckoutRig;
beforeEach(async () => {
  rig = await startCheckoutRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

/** What the step's log says of the commit of these files. */
async function logOf(files: Files): Promise<readonly string[]> {
  const repo = await rig.repo({ a: "1" });
  return await logOfPush(repo, await repo.commit(files));
}

async function logOfPush(repo: ForgeRepo, push: PushToTell): Promise<readonly string[]> {
  const { ref, sha, url, authorization } = rig.requestFor(repo, push);
  const grant = { build: { repo: repo.name, ref, sha }, clone: { url, authorization } };
  const lines: string[] = [];
  const { git, mirrors } = rig;
  await checkOut(grant as BuildGrant, { git, mirrors, say: (line) => lines.push(line) }, never);
  return lines;
}

test("a repo with Git LFS is told that its pointer files stay, and where it says so", async () => {
  const lfs = await logOf({ "docs/.gitattributes": "*.bin filter=lfs -text\n" });
  const none = await logOf({ ".gitattributes": "# *.bin filter=lfs\n*.txt text\n" });

  const line = "Left as pointer files, since Git LFS is not fetched: see docs/.gitattributes";
  expect(lfs).toContain(line);
  expect(none.join("\n")).not.toContain("LFS");
});

test("an odd name is one line of the log all the same", async () => {
  const lines = await logOf({ "a\u001b[2J\nb/.gitattributes": "* filter=lfs\n" });

  expect(lines.at(-1)).toContain('see "a\\u001b[2J\\nb/.gitattributes"');
});

test("a fetch that takes longer than it may is refused, and leaves nothing half", async () => {
  const repo = await rig.repo({ a: "1" });
  const push = await repo.commit({ a: "2" });
  const dir = join(rig.dir, "hasty");
  const { git } = rig;
  const hasty = openMirrors({ dir, git, httpPrefixes: [rig.http.url], fetchMs: 1_200 });
  rig.http.isSilent = true;

  // Long before git itself gives up on a host that says nothing.
  await expect(hasty.fetch(rig.requestFor(repo, push), never)).rejects.toMatchObject({
    name: "UserFault",
    code: "CHECKOUT_LIMIT",
    message: "Fetching the repo takes longer than 0.02 min.",
  });

  expect(await processesThatMention(dir)).toEqual([]);
  const packs = (await readdir(dir, { recursive: true })).filter((name) => name.includes("tmp_"));
  expect(packs).toEqual([]);
  rig.http.isSilent = false;
  const patient = openMirrors({ dir, git, httpPrefixes: [rig.http.url] });
  expect((await patient.fetch(rig.requestFor(repo, push), never)).sha).toBe(push.sha);
}, 30_000);

test("a commit of more files than there may be is refused, one of just so many is not", async () => {
  const repo = await rig.repo({ "1": "", "2": "", "d/3": "" });
  const three = await repo.commit({});
  const four = await repo.commit({ "d/4": "" });
  const read = async (push: { readonly sha: string | null }, max: Partial<typeof TREE_MAX>) => {
    const mirror = await rig.mirrors.fetch(rig.requestFor(repo, push), never);
    return await readCommit(rig.git, mirror, never, { ...TREE_MAX, ...max });
  };

  expect((await read(three, { files: 3 })).files()).toHaveLength(3);
  await expect(read(four, { files: 3 })).rejects.toMatchObject({
    name: "UserFault",
    code: "CHECKOUT_LIMIT",
    message: "The commit has more than 3 files; the limit is 3.",
  });
  await expect(read(four, { listBytes: 100 })).rejects.toMatchObject({ code: "CHECKOUT_LIMIT" });
});

test("a name that is no UTF-8 is told; two that would become one are refused", async () => {
  const byBytes = async (...names: readonly string[]) => {
    const work = await mkdtemp(join(rig.dir, "work-"));
    rawGit(work, "init", "--quiet", "-b", "main");
    for (const name of names) await writeFile(Buffer.from(join(work, name), "latin1"), name);
    rawGit(work, "add", "--all");
    rawGit(work, "commit", "--quiet", "-m", "odd");
    const repo = await rig.repo({ a: "1" });
    return await logOfPush(repo, await repo.pushFrom(work));
  };

  const line = "Names that are no UTF-8 have other letters in the workspace: caf\ufffd";
  expect(await byBytes("caf\xe9", "plain")).toContain(line);
  await expect(byBytes("caf\xe9", "caf\xe8")).rejects.toMatchObject({
    name: "UserFault",
    code: "CHECKOUT_UNSUPPORTED",
    message: expect.stringContaining('Two files are called "caf\ufffd"'),
  });
});

test("names of one letter's difference, and those with any other byte, enter a workspace as they are", async () => {
  const files = {
    "Readme.md": "one",
    "README.md": "two",
    "docs/x": "three",
    "Docs/x": "four",
    "new\nline": "five",
    "control\u0001\u001b[2J\u007f": "six",
    "tab\tand\rreturn": "seven",
    '"quoted" \\ back': "eight",
    "é, and \u202e": "nine",
    ["long".repeat(40) + "\n"]: "ten",
    "-dash": "eleven",
    "a*b?[c]": "twelve",
  };
  const repo = await rig.repo(files);
  const push = await repo.commit({});

  const commit = await rig.checkOut(rig.requestFor(repo, push));

  expect(commit.files().toSorted()).toEqual(Object.keys(files).toSorted());
  const wanted = Object.entries(files).map(([name, text]) => [name, `644 1000:1000 ${text}`]);
  expect(await treeOf(commit)).toEqual(Object.fromEntries(wanted));
});
