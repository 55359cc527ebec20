import { afterAll, beforeAll, expect, test } from "vitest";
import {
  aPackage,
  digestOf,
  queryRpm,
  specSource,
  startPackageRig,
} from "../support/package-rig.ts";
import type { Packaged, PackageRig } from "../support/package-rig.ts";
import type { PlannedPackage } from "../../src/domain/job-spec.ts";
import type { Files } from "../support/git-host.ts";

const SPEC = `Name: hello
Version: 1.0
Release: 1%{?dist}
Summary: Says hello
License: MIT
Source0: https://example.com/releases/%{name}-%{version}.tar.gz
BuildRequires: gcc, make

%description
Says hello.

%package doc
Summary: How to say hello
BuildArch: noarch

%description doc
Documentation.

%debug_package

%prep
%setup -q

%build
make

%install
make install DESTDIR=%{buildroot}

%files
/usr/bin/hello

%files doc
/usr/share/hello/README
`;

const HELLO: Files = {
  "hello.c": '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n',
  Makefile: `hello: hello.c
\tcc -O2 -g -o hello hello.c
check: hello
\t./hello | grep hello
install:
\tinstall -D hello $(DESTDIR)/usr/bin/hello
\tinstall -D -m 644 README $(DESTDIR)/usr/share/hello/README
`,
  README: "Say hello.\n",
  "rpm/hello.spec": SPEC,
};

/** What find-debuginfo makes of it. */
const DEBUG = ["debuginfo"];

const PLAN = aPackage({ source: specSource("rpm/hello.spec"), lint: "off" });

let rig: PackageRig;
beforeAll(async () => {
  rig = await startPackageRig();
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

async function build(files: Files, plan: PlannedPackage = PLAN): Promise<Packaged> {
  return await rig.make(await rig.repo(files), plan);
}

function namesOf({ outcome, log }: Packaged): readonly string[] {
  if (outcome.state === "failed") throw new Error(log.slice(-3_000));
  return outcome.files.map(({ fileName }) => fileName);
}

test("a C program with a noarch subpackage becomes packages, debuginfo too, twice the very same", async () => {
  const repo = await rig.repo(HELLO);
  const push = await repo.commit({ "note.txt": "x\n" });

  const first = await rig.make(repo, PLAN);
  const second = await rig.make(repo, PLAN);

  const dist = `1.2.g${push.sha?.slice(0, 7)}.debian12`;
  expect(namesOf(first)).toEqual([
    `hello-1.0-${dist}.src.rpm`,
    `hello-1.0-${dist}.x86_64.rpm`,
    ...DEBUG.map((name) => `hello-${name}-1.0-${dist}.x86_64.rpm`),
    `hello-doc-1.0-${dist}.noarch.rpm`,
  ]);
  for (const name of namesOf(first)) {
    const exactly = new RegExp(`^${name.replace(/[.+^]/g, "\\$&")}$`);
    expect(await digestOf(first.path(exactly)), name).toBe(await digestOf(second.path(exactly)));
  }
  expect(
    await queryRpm(first.path(/^hello-1.*x86_64/), "--qf", "%{BUILDHOST} %{PAYLOADCOMPRESSOR}"),
  ).toBe("reproducible zstd");
  expect(await queryRpm(first.path(/noarch/), "--list")).toBe("/usr/share/hello/README\n");
  expect(await queryRpm(first.path(/src/), "--list")).toBe("hello-1.0.tar.gz\nhello.spec\n");
});

test("on a commit that is tagged with the spec's version the release is the spec's own", async () => {
  const repo = await rig.repo(HELLO);
  await repo.tag("v1.0", { annotation: "The first one" });
  await repo.tag("unrelated-7");

  expect(namesOf(await rig.make(repo, PLAN))).toContain("hello-1.0-1.debian12.x86_64.rpm");
});

test("a version from the tag replaces the spec's, and the log shows the difference", async () => {
  const repo = await rig.repo(HELLO);
  await repo.tag("v2.1");
  await repo.tag("v9/nightly");
  const push = await repo.commit({ "note.txt": "x\n" });
  const plan = { ...PLAN, version: { kind: "from-tag", pattern: null } } as const;

  const made = await rig.make(repo, plan);

  const version = `2.1^1.g${push.sha?.slice(0, 7)}`;
  expect(namesOf(made)).toContain(`hello-${version}-1.debian12.x86_64.rpm`);
  expect(made.log).toContain(`-Version: 1.0\n+Version: ${version}\n`);
  expect(made.log).not.toContain("Release of hello.spec");
});

test("a fixed version that is out already is refused before anything runs", async () => {
  const repo = await rig.repo(HELLO);
  await repo.tag("v1.5.0");
  await repo.commit({ "note.txt": "x\n" });
  const plan = { ...PLAN, version: { kind: "fixed", version: "1.5.0" } } as const;

  await expect(rig.make(repo, plan)).rejects.toMatchObject({ code: "VERSION_TAG" });
});

test("define, with and without reach rpmbuild; source and debuginfo packages can be left out", async () => {
  const conditions = "%bcond_with nice\n%bcond_without docs\n";
  const check = '%build\ntest "%{colour}" = "it\'s blue"\n%{?with_nice:make}\n';
  const source = specSource("rpm/hello.spec", {
    define: { colour: "it's blue" },
    with: ["nice"],
    sourceRpm: false,
    debuginfo: false,
  });
  const spec = conditions + SPEC.replace("%build\nmake\n", check);

  const made = await build({ ...HELLO, "rpm/hello.spec": spec }, { ...PLAN, source });

  expect(namesOf(made)).toEqual([
    expect.stringMatching(/^hello-1.0-.*x86_64/),
    expect.stringMatching(/^hello-doc-.*noarch/),
  ]);
});

test("a release without %{?dist} is built with a warning", async () => {
  const made = await build({ ...HELLO, "rpm/hello.spec": SPEC.replace("1%{?dist}", "7") });

  expect(namesOf(made)).toContain("hello-1.0-7.x86_64.rpm");
  expect(made.outcome).toMatchObject({
    warnings: [expect.stringContaining("Release of hello.spec lacks %{?dist}")],
  });
});

test("the source archive honours the repo's attributes", async () => {
  const made = await build({
    ...HELLO,
    ".gitattributes": "internal export-ignore\nversion.txt export-subst\n",
    "internal/plan.txt": "secret\n",
    "version.txt": "$Format:%H$\n",
    "rpm/hello.spec": SPEC.replace("%build\n", "%build\nls internal || true\ncat version.txt\n"),
  });

  expect(made.outcome.state).toBe("passed");
  expect(made.log).toMatch(/cannot access '?internal'?/);
  expect(made.log).toMatch(/^[0-9a-f]{40}$/m);
});

test("a project's source archive is its own folder, with the repo's attributes", async () => {
  const list = "%prep\nfind . -type f | sort\n%setup -q\nfind . -type f | sort\n";
  const repo = await rig.repo({
    ...Object.fromEntries(Object.entries(HELLO).map(([path, text]) => [`apps/a b/${path}`, text])),
    ".gitattributes": "/apps/*/internal export-ignore\n",
    "apps/a b/internal/plan.txt": "secret\n",
    "apps/a b/rpm/hello.spec": SPEC.replace("%prep\n%setup -q\n", list),
    "apps/a boat/hello.c": "another project's\n",
    Makefile: "everybody's\n",
  });
  const plan = { ...PLAN, source: specSource("apps/a b/rpm/hello.spec") };

  const made = await rig.make(repo, plan, { projectPath: "apps/a b" });

  expect(namesOf(made)).toHaveLength(3 + DEBUG.length);
  expect(made.log).toContain("\n./Makefile\n./README\n./hello.c\n./rpm/hello.spec\n");
});

test("sources and patches beside the spec are used; names with quotes do no harm", async () => {
  const spec = SPEC.replace(
    "BuildRequires",
    "Source1: it's.conf\nPatch0: fix.patch\nBuildRequires",
  ).replace("%setup -q", '%setup -q\n%patch -P 0 -p1\ngrep nice "%{SOURCE1}"');
  const patch =
    "--- a/hello.c\n+++ b/hello.c\n@@ -1 +1,2 @@\n+/* patched */\n #include <stdio.h>\n";

  const made = await build({
    ...HELLO,
    "rpm/hello.spec": spec,
    "rpm/it's.conf": "nice\n",
    "rpm/fix.patch": patch,
  });

  expect(namesOf(made)).toHaveLength(3 + DEBUG.length);
});

test("what `run` puts beside the spec is a source", async () => {
  const spec = SPEC.replace("BuildRequires", "Source1: made.conf\nBuildRequires").replace(
    "%setup -q",
    '%setup -q\ngrep nice "%{SOURCE1}"',
  );
  const plan = { ...PLAN, run: "echo nice > rpm/made.conf" };

  expect(namesOf(await build({ ...HELLO, "rpm/hello.spec": spec }, plan))).toHaveLength(
    3 + DEBUG.length,
  );
});

test.each<[string, (spec: string) => string, object]>([
  [
    "a missing BuildRequires is named",
    (spec) => spec.replace("gcc, make", "gcc, libfoo-devel >= 3, barify"),
    {
      code: "BUILD_REQUIRES_MISSING",
      message:
        "The image has no barify, libfoo-devel >= 3, which the spec's BuildRequires ask for.",
      file: "rpm/hello.spec",
    },
  ],
  [
    "a spec that cannot be parsed is named with its line",
    (spec) => spec.replace("License: MIT", "Licence: MIT"),
    { code: "SPEC_INVALID", file: "rpm/hello.spec", line: 5 },
  ],
  [
    "a spec without a license is invalid",
    (spec) => spec.replace("License: MIT\n", ""),
    { code: "SPEC_INVALID", file: "rpm/hello.spec" },
  ],
  [
    "a spec without a version is invalid",
    (spec) => spec.replace("Version: 1.0\n", ""),
    { code: "SPEC_INVALID", file: "rpm/hello.spec" },
  ],
  [
    "a source that is only an address is named",
    (spec) => spec.replace("BuildRequires", "Source1: https://example.com/data.bin\nBuildRequires"),
    {
      code: "SPEC_SOURCE_MISSING",
      message: "source1 of hello.spec is an address: https://example.com/data.bin",
    },
  ],
  [
    "a patch that is not committed is named",
    (spec) => spec.replace("BuildRequires", "Patch3: fix.patch\nBuildRequires"),
    { code: "SPEC_SOURCE_MISSING", message: "patch3 of hello.spec is not beside it: fix.patch" },
  ],
  [
    "a file that is built but not listed is named",
    (spec) => spec.replace("/usr/bin/hello\n", ""),
    {
      code: "RPM_BUILD_FAILED",
      message: "built but not listed in %files: /usr/bin/hello",
      file: "rpm/hello.spec",
    },
  ],
  [
    "a file that is listed but not built is named",
    (spec) => spec.replace("/usr/bin/hello\n", "/usr/bin/hello\n/usr/bin/goodbye\n"),
    {
      code: "RPM_BUILD_FAILED",
      message: "listed in %files but not built: /usr/bin/goodbye",
      file: "rpm/hello.spec",
    },
  ],
  [
    "a compiler's error in %build leads into the log, not to the spec",
    (spec) => spec.replace("%build\n", "%build\necho 'int main(' > hello.c\n"),
    { code: "RPM_BUILD_FAILED", file: null },
  ],
  [
    "a command that fails in %install says so",
    (spec) => spec.replace("%install\n", "%install\nfalse\n"),
    { code: "RPM_BUILD_FAILED", message: "%install of rpm/hello.spec failed", file: null },
  ],
])("%s", async (_name, change, failure) => {
  const { outcome, log } = await build({ ...HELLO, "rpm/hello.spec": change(SPEC) });

  expect(outcome, log.slice(-1_500)).toMatchObject({ state: "failed", failure });
});

test("a spec's own commands see no network, no root and no other job", async () => {
  const probe =
    "%prep\nid -u\n(exec 3<>/dev/tcp/1.1.1.1/53) 2>&1 || true\nls /workspace 2>&1 || true\n";
  const { outcome, log } = await build({
    ...HELLO,
    "rpm/hello.spec": SPEC.replace("%prep\n", `${probe}bash -c 'cat /proc/net/route | wc -l'\n`),
  });

  expect(outcome.state).toBe("passed");
  expect(log).toMatch(/^1000$/m);
  expect(log).toContain("/workspace': No such file or directory");
  expect(log).toMatch(/^1$/m);
});
