import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeRpms } from "../../support/make-rpm.ts";
import type { RpmWish } from "../../support/make-rpm.ts";
import { tataraAt } from "../../support/run-tatara.ts";
import { startYum } from "../../support/start-yum.ts";
import type { Yum } from "../../support/start-yum.ts";
import { until } from "../../support/until.ts";

const TARGET = "el9.x86_64";
let yum: Yum;
let folder: string;
let tatara: ReturnType<typeof tataraAt>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-cli-"));
  yum = await startYum();
  tatara = tataraAt(yum);
  await publish({ name: "hello", version: "1.0" });
  await publish({ name: "hello", version: "2.0" });
  await publish({ name: "needy", version: "1.0", preamble: ["Requires: hello >= 2.0"] });
}, 120_000);
afterAll(async () => {
  await (yum as Yum | undefined)?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function write(wish: RpmWish, into: string): Promise<readonly string[]> {
  await mkdir(into, { recursive: true });
  const paths = [];
  for (const { fileName, bytes } of await makeRpms(wish)) {
    const path = join(into, fileName);
    await writeFile(path, bytes);
    paths.push(path);
  }
  return paths;
}

/** A build of this package goes live in dev. */
async function publish(wish: RpmWish): Promise<void> {
  const paths = await write(wish, join(folder, "built"));
  const packages = paths.map((path) => ({ path, target: TARGET }));
  const { buildId } = await yum.builds.finish({ channel: "dev", packages });
  expect(await yum.builds.final(buildId)).toMatchObject({ state: "passed" });
}

const headOf = async (channel: string): Promise<number> =>
  (await yum.api<{ head: number }>(`/api/channels/${channel}`)).head;

describe("packages", () => {
  test("lists names with their newest version in each channel, or all versions of one", async () => {
    const all = await tatara(["packages"]);
    const versions = await tatara(["packages", "hello"]);
    const json = await tatara(["packages", "--find", "need", "--json=name,newest"]);

    expect(all).toMatchObject({ code: 0 });
    expect(all.stdout).toMatch(/^ {2}hello {3}dev 2\.0-1 .*acme\/hello\n {2}needy {3}dev 1\.0-1 /m);
    expect(versions.stdout).toMatch(
      /^ {2}hello-2\.0-1\.noarch {3}dev \(el9\.x86_64\) {3}acme\/hello#2 /,
    );
    expect(versions.stdout).toMatch(/^ {2}hello-1\.0-1\.noarch .*acme\/hello#1 /m);
    expect(JSON.parse(json.stdout)).toEqual({ name: "needy", newest: { dev: "1.0-1" } });
  });

  test("a name that there is not is status 3, with the near one", async () => {
    const { code, stdout, stderr } = await tatara(["packages", "helo"]);

    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
    expect(stderr).toContain("did you mean hello?");
  });
});

describe("promote, undo and yank", () => {
  test("the plan says what changes, --yes does it, and the answer says how to take it back", async () => {
    await tatara(["promote", "hello-1.0-1", "--to", "stable", "--yes"]);

    const planned = await tatara(["promote", "hello", "--to", "stable", "--dry-run"]);
    const done = await tatara(["promote", "hello", "--to", "stable", "--yes"]);
    const again = await tatara(["promote", "hello", "--to", "stable"]);
    const head = await headOf("stable");

    const plan =
      "hello-2.0-1.noarch: dev → stable   el9 (x86_64)\n  replaces 1.0-1   dependencies ok\n";
    expect(planned).toMatchObject({ code: 0, stdout: plan });
    expect(done).toMatchObject({
      code: 0,
      stdout: `${plan}promoted, generation ${head}.   undo: tatara undo stable@${head}\n`,
    });
    expect(again).toMatchObject({ code: 0, stderr: "" });
    expect(again.stdout).toContain("nothing to do");
  });

  test("undo lists what there was before that generation, and says how hosts go back", async () => {
    const head = await headOf("stable");

    const undone = await tatara(["undo", `stable@${head}`, "--yes"]);
    const listed = await tatara(["packages", "hello", "--channel", "stable", "--json=nevra"]);
    const first = await tatara(["undo", "stable@1"]);

    expect(undone.code).toBe(0);
    expect(undone.stdout).toContain("dnf distro-sync");
    expect(undone.stdout).toContain(`undone, generation ${head + 1}.   undo: tatara undo stable@`);
    expect(listed.stdout).toContain('{"nevra":"hello-1.0-1.noarch"}');
    expect(listed.stdout).not.toContain("hello-2.0");
    expect(first).toMatchObject({ code: 1, stdout: "" });
    expect(first.stderr).toContain("stable@1 is the first");
  });

  test("what would not install is refused with its problem and hint, and --force does it", async () => {
    const before = await headOf("stable");

    const refused = await tatara(["promote", "needy", "--to", "stable", "--yes"]);
    const json = await tatara(["promote", "needy", "--to", "stable", "--json=problems,result"]);
    const after = await headOf("stable");
    const forced = await tatara(["promote", "needy", "--to", "stable", "--force", "--yes"]);
    await tatara(["undo", "stable", "--yes"]);

    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain(
      "REQUIRES_UNSATISFIED  needy-1.0-1.noarch requires hello >= 2.0",
    );
    expect(refused.stderr).toContain("--force");
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      problems: [{ code: "REQUIRES_UNSATISFIED" }],
      result: null,
    });
    expect(after).toBe(before);
    expect(forced.code).toBe(0);
  });

  test("stable asks: nothing happens without a terminal, nor when something else is typed", async () => {
    const before = await headOf("stable");
    const promote = ["promote", "hello", "--to", "stable"];

    const silent = await tatara(promote);
    const wrong = await tatara(promote, { typed: "yes" });
    const untouched = await headOf("stable");
    const right = await tatara(promote, { typed: "hello" });

    expect(silent).toMatchObject({ code: 2 });
    expect(silent.stderr).toContain("stable needs a confirmation.\n  --yes\n");
    expect(wrong).toMatchObject({ code: 1 });
    expect(wrong.stderr).toBe("Type hello to do it: Nothing was done.\n");
    expect(untouched).toBe(before);
    expect(right).toMatchObject({ code: 0 });
    expect(await headOf("stable")).toBe(before + 1);
  });

  test("at a real terminal the question is asked, and Ctrl-C there changes nothing", async () => {
    const before = await headOf("stable");

    const { code, output } = await atTerminal("undo stable", "Type ", "\x03");

    expect(output).toContain("Type hello to do it: ");
    expect(code).toBe(130);
    expect(await headOf("stable")).toBe(before);
  });

  test("misspelt channels and packages are answered with the near ones, and status 3", async () => {
    const channel = await tatara(["promote", "hello", "--to", "stabel"]);
    const name = await tatara(["promote", "helo", "--to", "stable"]);
    const usage = await tatara(["promote", "hello"]);

    expect([channel.code, name.code, usage.code]).toEqual([3, 3, 2]);
    expect(channel.stderr).toContain("did you mean stable?");
    expect(name.stderr).toContain("did you mean hello?");
    expect(usage.stderr).toContain("Where to?");
  });

  test("a yank needs a reason, which is shown with the package from then on", async () => {
    await publish({ name: "broken", version: "1.0" });

    const without = await tatara(["yank", "broken"]);
    const yanked = await tatara(["yank", "broken", "--reason", "eats files"]);
    const shown = await tatara(["packages", "broken"]);
    const back = await tatara(["promote", "broken-1.0-1.noarch", "--to", "testing"]);

    expect(without).toMatchObject({ code: 2 });
    expect(yanked).toMatchObject({ code: 0 });
    expect(yanked.stdout).toMatch(/removed; none is left[^]*yanked, generation \d+\.\n$/);
    expect(shown.stdout).toMatch(/in no channel .*\n {4}yanked on \d{4}-\d\d-\d\d: eats files\n/);
    expect(back.code).not.toBe(0);
  });
});

describe("channel", () => {
  test("add forks, set changes, retention takes out, show tells it all, remove asks", async () => {
    const added = await tatara(["channel", "add", "mine", "--parent", "dev", "--expire-days", "3"]);
    const set = await tatara(["channel", "set", "mine", "retention.keepVersions=1", "layers=off"]);
    const retained = await tatara(["channel", "retention", "mine"]);
    const pinned = await tatara(["channel", "pin", "mine@1", "--note", "as it began"]);
    const shown = await tatara(["channel", "show", "mine"]);
    const list = await tatara(["channel", "list"]);
    const kept = await tatara(["channel", "remove", "mine"]);
    const removed = await tatara(["channel", "remove", "mine"], { typed: "mine" });

    expect(added).toMatchObject({ code: 0, stdout: "added mine, as dev is now: generation 1\n" });
    expect(set.stdout).toBe("set retention.keepVersions=1 layers=off: generation 2\n");
    expect(retained.stdout).toContain("removed; hosts get 2.0-1");
    expect(pinned).toMatchObject({ code: 0, stdout: "pinned mine@1\n" });
    expect(shown.stdout).toMatch(/^mine {3}generation 3 {3}fork of dev@\d+, until /);
    expect(shown.stdout).toContain("  layers=off\n  retention.keepVersions=1\n");
    expect(shown.stdout).toMatch(/ {2}mine@1 .* {3}pinned\n/);
    expect(list.stdout).toMatch(/^ {2}mine {6}generation 3 /m);
    expect(kept).toMatchObject({ code: 2 });
    expect(removed).toMatchObject({ code: 0, stdout: "removed mine\n" });
    expect((await tatara(["channel", "show", "mine"])).code).toBe(3);
  });

  test("unpin lets a package go, and rewrite makes a new generation of the same packages", async () => {
    const before = await headOf("dev");

    const pinned = await tatara(["channel", "pin", "dev", "hello-1.0-1.noarch"]);
    const unpinned = await tatara(["channel", "unpin", "dev", "hello-1.0-1.noarch"]);
    const rewritten = await tatara(["channel", "rewrite", "dev"]);

    expect([pinned.stdout, unpinned.stdout]).toEqual([
      "pinned hello-1.0-1.noarch\n",
      "unpinned hello-1.0-1.noarch\n",
    ]);
    expect(rewritten.stdout).toContain(`rewritten, generation ${before + 1}.`);
  });

  test("file prints what a host needs, and names the targets when there are several", async () => {
    const one = await tatara(["channel", "file", "dev"]);
    const wrong = await tatara(["channel", "file", "dev", "--target", "el8.x86_64"]);

    expect(one.stdout).toContain(`mirrorlist=${yum.url}/yum/dev/${TARGET}/mirrorlist\n`);
    expect(wrong).toMatchObject({ code: 3, stdout: "" });
    expect(wrong.stderr).toContain(`has no target el8.x86_64.\n  --target ${TARGET}\n`);
  });

  test("import publishes a folder of RPMs, and says why it does not", async () => {
    const folderToImport = join(folder, "import");
    await write({ name: "old", version: "1.0" }, folderToImport);

    const imported = await tatara([
      "channel",
      "import",
      "testing",
      folderToImport,
      "--target",
      TARGET,
    ]);
    const nothing = await tatara([
      "channel",
      "import",
      "testing",
      "/nonexistent",
      "--target",
      TARGET,
    ]);
    const listed = await tatara(["packages", "old", "--json=listings"]);

    expect(imported).toMatchObject({ code: 0 });
    expect(imported.stdout).toContain(`imported ${folderToImport}: generation `);
    expect(listed.stdout).toContain('{"channel":"testing","target":"el9.x86_64"}');
    const second = ["channel", "import", "testing", folderToImport, "--target", "el10.x86_64"];
    await tatara(second);
    const several = await tatara(["channel", "file", "testing"]);

    expect(several).toMatchObject({ code: 2, stdout: "" });
    expect(several.stderr).toContain(
      "testing has several targets.\n  --target el10.x86_64 | el9.x86_64",
    );
    expect(nothing.code).not.toBe(0);
    expect(nothing.stderr).toContain("/nonexistent");
  });

  test("extras passes a comps file on, refuses a broken one, and takes it away", async () => {
    const good = join(folder, "comps.xml");
    await writeFile(
      good,
      "<?xml version='1.0' encoding='UTF-8'?>\n<comps><group><id>tools</id><name>Tools</name><description/><default>true</default><uservisible>true</uservisible><packagelist><packagereq type='mandatory'>hello</packagereq></packagelist></group></comps>\n",
    );
    await writeFile(join(folder, "bad.xml"), "<comps>");
    const extras = (...rest: string[]) =>
      tatara(["channel", "extras", "dev", TARGET, "group", ...rest], { cwd: folder });

    const set = await extras("comps.xml");
    const served = await fetch(`${yum.url}/yum/dev/${TARGET}/repodata/repomd.xml`);
    const hasGroup = (await served.text()).includes('type="group"');
    const bad = await extras("bad.xml");
    const away = await extras("--take-away");

    expect(set).toMatchObject({ code: 0 });
    expect(hasGroup).toBe(true);
    expect(bad).toMatchObject({ code: 1 });
    expect(away.stdout).toContain(`took away group of dev, ${TARGET}`);
  });

  test("a misspelt subcommand, a missing name and one argument too many are status 2", async () => {
    const misspelt = await tatara(["channel", "shwo", "dev"]);
    const nameless = await tatara(["channel", "pin"]);
    const more = await tatara(["channel", "show", "dev", "testing"]);

    expect([misspelt.code, nameless.code, more.code]).toEqual([2, 2, 2]);
    expect(misspelt.stderr).toContain("did you mean channel show?");
    expect(nameless.stderr).toContain("tatara channel pin <channel>@<generation>");
  });
});

describe("names and allowances", () => {
  test("a rule is lifted and holds again; an unknown rule is status 2", async () => {
    const allowed = await tatara(["allow", "acme/fork", "name", "hello"]);
    const back = await tatara(["allow", "acme/fork", "name", "hello", "--take-back"]);
    const wrong = await tatara(["allow", "acme/fork", "nmae", "hello"]);

    expect(allowed.stdout).toBe("acme/fork: name hello is allowed\n");
    expect(back.stdout).toBe("acme/fork: name hello is no longer allowed\n");
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.stderr).toContain("did you mean name?");
    expect(await yum.api("/api/allowances?repo=acme/fork")).toEqual({ allowances: [] });
  });

  test("a name goes to another repo, whose it is from then on", async () => {
    const given = await tatara(["name", "needy", "--to", "acme/other"]);
    const { stdout } = await tatara(["packages", "--find", "needy", "--json=repo"]);

    expect(given).toMatchObject({ code: 0, stdout: "needy belongs to acme/other\n" });
    expect(JSON.parse(stdout)).toEqual({ repo: "acme/other" });
  });
});

describe("without a publish worker", () => {
  test("who stops waiting is told that the change goes on, and it does", async () => {
    const before = await headOf("testing");
    await yum.killPublisher("SIGTERM");

    const promote = ["promote", "hello-2.0-1", "--from", "dev", "--to", "testing"];
    const impatient = await tatara([...promote, "--timeout", "1s"]);
    const folderToImport = join(folder, "import");
    const importing = ["channel", "import", "testing", folderToImport, "--target", TARGET];
    const left = await tatara([...importing, "--timeout", "1s"]);
    const untouched = await headOf("testing");
    await yum.startPublisher();

    expect([impatient.code, left.code]).toEqual([124, 124]);
    expect(impatient.stderr).toContain("The change may go on: tatara channel show testing\n");
    expect(left.stderr).toMatch(/^p-[a-z0-9]+ goes on\.\n/m);
    expect(untouched).toBe(before);
    await until(
      async () => (await tatara(["packages", "hello", "--channel", "testing"])).stdout !== "",
      true,
    );
  });
});

/** bin/tatara at a pseudo-terminal; `keys` are pressed when `prompt` appears. */
async function atTerminal(line: string, prompt: string, keys: string) {
  const child = spawn("script", ["-qefc", `bin/tatara ${line}`, "/dev/null"], {
    cwd: join(import.meta.dirname, "../../.."),
    env: { PATH: process.env["PATH"] ?? "", TATARA_URL: yum.url, TATARA_TOKEN: yum.adminToken },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdout.on("data", (chunk: Buffer) => {
    if (chunk.includes(prompt)) child.stdin.write(keys);
  });
  const [output, [code]] = await Promise.all([
    text(child.stdout),
    once(child, "close") as Promise<[number | null]>,
  ]);
  return { code, output };
}
