import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { PackagedFile } from "../../src/domain/pipeline.ts";
import { BASE_IMAGE } from "../support/engine-rig.ts";
import {
  aPackage,
  digestOf,
  filesSource,
  queryRpm,
  specIn,
  startPackageRig,
} from "../support/package-rig.ts";
import type { PackageRig } from "../support/package-rig.ts";

const run = promisify(execFile);

let rig: PackageRig;
beforeAll(async () => {
  rig = await startPackageRig();
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

const from = (path: string, source: string, changes: Partial<PackagedFile> = {}): PackagedFile => ({
  path,
  content: { kind: "from", path: source },
  config: "no",
  mode: null,
  owner: "root",
  group: "root",
  isDoc: false,
  isLicense: false,
  ...changes,
});

const FILES = {
  "hello.sh": '#!/bin/sh\necho "hello $(cat /etc/hello/config.toml)"\n',
  "packaging/hello.service": "[Service]\nExecStart=/usr/bin/hello\nUser=hello\n",
  "packaging/config.toml": 'name = "world"\n',
  "share/a.txt": "a\n",
  "share/deep/100% b.txt": "b\n",
  "scripts/after.sh": "#!/bin/sh\necho installed 100% > /var/lib/hello-installed\n",
  LICENSE: "MIT\n",
};

const SOURCE = filesSource({
  summary: "Greets 100% of people",
  description: "Greets people.\n%files of it are few\n%if only\n",
  url: "https://example.com/hello",
  requires: ["coreutils"],
  scripts: { "post-install": "scripts/after.sh" },
  users: [{ name: "hello", description: "Greeter", home: "/var/lib/hello", groups: [] }],
  files: [
    from("/usr/bin/hello", "hello.sh"),
    from("/usr/lib/systemd/system/hello.service", "packaging/hello.service"),
    from("/etc/hello/config.toml", "packaging/config.toml", { config: "noreplace" }),
    from("/usr/share/hello/", "share"),
    from("/usr/share/licenses/hello/LICENSE", "LICENSE", { isLicense: true }),
    { ...from("/var/lib/hello/", ""), content: { kind: "dir" }, owner: "hello", group: "hello" },
    { ...from("/usr/bin/greet", ""), content: { kind: "link", target: "hello" } },
  ],
});

const PLAN = aPackage({
  source: SOURCE,
  version: { kind: "from-tag", pattern: null },
  isNoarch: true,
});

async function tagged(tags: readonly string[]) {
  const repo = await rig.repo(FILES);
  for (const tag of tags) await repo.tag(tag);
  return repo;
}

test("files become a package with a spec that a packager could have written", async () => {
  const repo = await tagged(["v1.4.0"]);

  const made = await rig.make(repo, PLAN);

  expect(made.outcome, made.log).toMatchObject({ state: "passed" });
  const rpm = made.path(/noarch/);
  expect(await queryRpm(rpm, "--qf", "%{NEVRA} %{LICENSE} %{SUMMARY} %{PAYLOADCOMPRESSOR}")).toBe(
    "hello-1.4.0-1.debian12.noarch MIT Greets 100% of people zstd",
  );
  expect(await queryRpm(rpm, "--qf", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\n]")).toBe(
    `drwxr-xr-x root /etc/hello
-rw-r--r-- root /etc/hello/config.toml
lrwxrwxrwx root /usr/bin/greet
-rwxr-xr-x root /usr/bin/hello
-rw-r--r-- root /usr/lib/systemd/system/hello.service
-rw-r--r-- root /usr/lib/sysusers.d/hello.conf
drwxr-xr-x root /usr/share/hello
-rw-r--r-- root /usr/share/hello/a.txt
drwxr-xr-x root /usr/share/hello/deep
-rw-r--r-- root /usr/share/hello/deep/100% b.txt
drwxr-xr-x root /usr/share/licenses/hello
-rw-r--r-- root /usr/share/licenses/hello/LICENSE
drwxr-xr-x hello /var/lib/hello
`,
  );
  expect(await queryRpm(rpm, "--configfiles")).toBe("/etc/hello/config.toml\n");
  expect(await queryRpm(rpm, "--changelog")).toContain("- Initial commit");
  expect(await queryRpm(rpm, "--qf", "%{DESCRIPTION}")).toBe(
    "Greets people. %files of it are few %if only",
  );
  const spec = await specIn(made.path(/src/));
  await expect(spec.replace(/^\* .*(?= Mona)/m, "* Sun Nov 22 2026")).toMatchFileSnapshot(
    "../fixtures/packages/hello.spec",
  );
});

test("two builds of one commit are the same, source package included", async () => {
  const repo = await tagged(["v1.4.0"]);

  const [one, other] = [await rig.make(repo, PLAN), await rig.make(repo, PLAN)];

  for (const name of [/noarch/, /src/]) {
    expect(await digestOf(one.path(name))).toBe(await digestOf(other.path(name)));
  }
});

test("dnf installs it with its user, keeps a changed setting in an upgrade, and removes it", async () => {
  const repo = await tagged(["v1.4.0"]);
  const first = await rig.make(repo, PLAN);
  await repo.commit({ "packaging/config.toml": 'name = "everybody"\n' });
  const second = await rig.make(repo, PLAN);
  const dir = await mkdtemp(join(tmpdir(), "tatara-install-"));
  await writeFile(join(dir, "1.rpm"), await readFile(first.path(/noarch/)));
  await writeFile(join(dir, "2.rpm"), await readFile(second.path(/noarch/)));
  const script = `set -e
quiet() { dnf -y --disablerepo='*' --nogpgcheck "$@" > /tmp/said 2>&1 || { cat /tmp/said; exit 1; }; }
quiet install /rpms/1.rpm
hello; greet; getent passwd hello; stat -c '%U %a' /var/lib/hello; cat /var/lib/hello-installed
echo 'name = "me"' > /etc/hello/config.toml
quiet upgrade /rpms/2.rpm
rpm -q hello; hello; ls /etc/hello
quiet remove hello
ls -d /etc/hello /usr/share/hello /usr/bin/hello 2>&1 | grep -c 'No such' || true`;

  const { stdout } = await run("docker", [
    "run",
    "--rm",
    "--network=none",
    "--user=0",
    `--volume=${dir}:/rpms:ro`,
    BASE_IMAGE,
    "sh",
    "-c",
    script,
  ]);
  await rm(dir, { recursive: true });

  expect(stdout).toMatch(
    new RegExp(
      `^hello name = "world"
hello name = "world"
hello:x:\\d+:\\d+:Greeter:/var/lib/hello:/sbin/nologin
hello 755
installed 100%
hello-1\\.4\\.0\\^1\\.g[0-9a-f]{7}-1\\.debian12\\.noarch
hello name = "me"
config\\.toml
config\\.toml\\.rpmnew
2
$`,
    ),
  );
});

test("what `run` makes is what is packaged, and a file that is not there is named", async () => {
  const repo = await rig.repo({ "hello.c": "int main(void) { return 0; }\n" });
  const source = filesSource({ files: [from("/usr/bin/", "dist/hello")] });
  const plan = { ...PLAN, source, isNoarch: false, run: "mkdir dist\ngcc -o dist/hello hello.c" };

  const made = await rig.make(repo, plan);
  const missing = rig.make(repo, { ...plan, run: "true" });

  expect(await queryRpm(made.path(/x86_64/), "--list"), made.log).toBe("/usr/bin/hello\n");
  expect(await queryRpm(made.path(/x86_64/), "--requires")).toContain("libc.so.6()(64bit)");
  expect(made.path(/x86_64/)).toContain("hello-0.1.0~dev.1.g");
  await expect(missing).rejects.toMatchObject({
    code: "FILE_MISSING",
    message: "package.files names what is not there: dist/hello",
  });
});

test("rpmlint only warns, unless the file makes it a gate", async () => {
  const repo = await rig.repo(FILES);
  const source = filesSource({
    files: [from("/usr/bin/hello", "hello.sh", { mode: "4777" })],
  });

  const warned = await rig.make(repo, { ...PLAN, source });
  const stopped = await rig.make(repo, { ...PLAN, source, lint: "error" });
  const silent = await rig.make(repo, { ...PLAN, source, lint: "off" });
  const clean = await rig.make(repo, { ...PLAN, lint: "error" });

  expect(warned.outcome).toMatchObject({
    state: "passed",
    warnings: [expect.stringMatching(/^rpmlint found \d errors?$/)],
  });
  expect(stopped.outcome).toMatchObject({
    state: "failed",
    failure: { code: "RPM_LINT", message: expect.stringMatching(/first: hello\.noarch: E: /) },
  });
  expect(silent.log).not.toContain("rpmlint");
  expect(clean.outcome, clean.log).toMatchObject({ state: "passed", warnings: [] });
});
