import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBuildRig } from "../support/build-rig.ts";
import type { BuildRig } from "../support/build-rig.ts";
import type { Told } from "../support/build-server.ts";
import { realEngine } from "../support/engine-rig.ts";
import type { Files, ForgeRepo } from "../support/git-host.ts";

const run = promisify(execFile);

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
  ".tatara.yml": "image: ./Dockerfile\ntest: make check\npackage: rpm/hello.spec\n",
  Dockerfile: "FROM tatara/base:latest\n",
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

let rig: BuildRig;
beforeAll(async () => {
  rig = await startBuildRig(realEngine());
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

async function build(files: Files): Promise<{ told: Told; repo: ForgeRepo }> {
  const repo = await rig.repo(files);
  const told = await rig.run(rig.grantFor(await repo.commit({ "note.txt": "x\n" })));
  return { told, repo };
}

function logOf(told: Told): string {
  return told.logs.get("package")?.toString() ?? "";
}

/** What rpm itself says of a package that was sent. */
async function query(told: Told, fileName: RegExp, format: string): Promise<string> {
  const found = told.end?.packages.find((file) => fileName.test(file.fileName));
  const dir = await mkdtemp(join(tmpdir(), "tatara-rpm-"));
  const path = join(dir, "a.rpm");
  await writeFile(path, told.artifacts.get(found?.sha256 ?? "") ?? "");
  const { stdout } = await run("rpm", ["-qp", "--nosignature", "--qf", format, path]);
  await rm(dir, { recursive: true });
  return stdout;
}

test("a C program with a noarch subpackage becomes packages, twice the very same", async () => {
  const repo = await rig.repo(HELLO);
  const push = await repo.commit({ "note.txt": "x\n" });

  const first = await rig.run(rig.grantFor(push));
  const second = await rig.run(rig.grantFor(push));

  expect(first.end).toMatchObject({ state: "passed", failure: null });
  const dist = `1.2.g${push.sha?.slice(0, 7)}.debian12`;
  expect(first.end?.packages.map(({ fileName }) => fileName)).toEqual([
    `hello-1.0-${dist}.src.rpm`,
    `hello-1.0-${dist}.x86_64.rpm`,
    `hello-doc-1.0-${dist}.noarch.rpm`,
  ]);
  expect(second.end?.packages).toEqual(first.end?.packages);
  expect(await query(first, /x86_64/, "%{BUILDHOST} %{PAYLOADCOMPRESSOR}")).toBe(
    "reproducible zstd",
  );
  expect(await query(first, /noarch/, "[%{FILENAMES}\n]")).toBe("/usr/share/hello/README\n");
  expect(await query(first, /src\.rpm/, "[%{FILENAMES}\n]")).toBe("hello-1.0.tar.gz\nhello.spec\n");
  expect(rig.complaints).toEqual([]);
});

test("on a commit that is tagged with the spec's version the release is the spec's own", async () => {
  const repo = await rig.repo(HELLO);
  const push = await repo.commit({ "note.txt": "x\n" });
  await repo.tag("v1.0", { annotation: "The first one" });
  await repo.tag("unrelated-7");

  const told = await rig.run(rig.grantFor(push));

  expect(told.end?.packages.map(({ fileName }) => fileName)).toContain(
    "hello-1.0-1.debian12.x86_64.rpm",
  );
});

test("a release without %{?dist} is built with a warning", async () => {
  const { told } = await build({ ...HELLO, "rpm/hello.spec": SPEC.replace("1%{?dist}", "7") });

  expect(told.end?.packages.map(({ fileName }) => fileName)).toContain("hello-1.0-7.x86_64.rpm");
  expect(logOf(told)).toContain("tatara: warning: Release of hello.spec lacks %{?dist}");
});

test("the project's image without rpmbuild is left for the server's own", async () => {
  const rpmless = "FROM tatara/base:latest\nUSER root\nRUN rm /usr/bin/rpmbuild\nUSER ci\n";

  const { told } = await build({ ...HELLO, Dockerfile: rpmless });

  expect(told.end).toMatchObject({ state: "passed", failure: null });
});

test("the source archive honours the repo's attributes, the tests' workspace does not", async () => {
  const { told } = await build({
    ...HELLO,
    ".tatara.yml": "test: grep secret internal/plan.txt\npackage: rpm/hello.spec\n",
    ".gitattributes": "internal export-ignore\nversion.txt export-subst\n",
    "internal/plan.txt": "secret\n",
    "version.txt": "$Format:%H$\n",
    "rpm/hello.spec": SPEC.replace("%build\n", "%build\nls internal || true\ncat version.txt\n"),
  });

  expect(told.end?.state).toBe("passed");
  expect(logOf(told)).toMatch(/cannot access '?internal'?/);
  expect(logOf(told)).toMatch(/^[0-9a-f]{40}$/m);
});

test("sources and patches beside the spec are used; names with quotes do no harm", async () => {
  const spec = SPEC.replace(
    "BuildRequires",
    "Source1: it's.conf\nPatch0: fix.patch\nBuildRequires",
  ).replace("%setup -q", '%setup -q\n%patch -P 0 -p1\ngrep nice "%{SOURCE1}"');
  const patch =
    "--- a/hello.c\n+++ b/hello.c\n@@ -1 +1,2 @@\n+/* patched */\n #include <stdio.h>\n";

  const { told } = await build({
    ...HELLO,
    "rpm/hello.spec": spec,
    "rpm/it's.conf": "nice\n",
    "rpm/fix.patch": patch,
  });

  expect(told.end).toMatchObject({ state: "passed", failure: null });
});

test.each<[string, (spec: string) => string, object]>([
  [
    "a missing BuildRequires is named",
    (spec) => spec.replace("gcc, make", "gcc, libfoo-devel >= 3, barify"),
    {
      code: "BUILD_REQUIRES_MISSING",
      title: "The image has no barify, libfoo-devel >= 3, which the spec's BuildRequires ask for.",
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
      title: "source1 of hello.spec is an address: https://example.com/data.bin",
    },
  ],
  [
    "a patch that is not committed is named",
    (spec) => spec.replace("BuildRequires", "Patch3: fix.patch\nBuildRequires"),
    { code: "SPEC_SOURCE_MISSING", title: "patch3 of hello.spec is not beside it: fix.patch" },
  ],
  [
    "a file that is built but not listed is named",
    (spec) => spec.replace("/usr/bin/hello\n", ""),
    {
      code: "RPM_BUILD_FAILED",
      title: "built but not listed in %files: /usr/bin/hello",
      file: "rpm/hello.spec",
    },
  ],
  [
    "a file that is listed but not built is named",
    (spec) => spec.replace("/usr/bin/hello\n", "/usr/bin/hello\n/usr/bin/goodbye\n"),
    {
      code: "RPM_BUILD_FAILED",
      title: "listed in %files but not built: /usr/bin/goodbye",
      file: "rpm/hello.spec",
    },
  ],
  [
    "a compiler's error in %build leads into the log, not to the spec",
    (spec) => spec.replace("%build\n", "%build\necho 'int main(' > hello.c\n"),
    { code: "RPM_BUILD_FAILED", evidence: "log" },
  ],
  [
    "a command that fails in %install says so",
    (spec) => spec.replace("%install\n", "%install\nfalse\n"),
    { code: "RPM_BUILD_FAILED", title: "%install of rpm/hello.spec failed" },
  ],
])("%s", async (_name, change, failure) => {
  const { told } = await build({ ...HELLO, "rpm/hello.spec": change(SPEC) });

  expect({ log: logOf(told).slice(-600), end: told.end }).toMatchObject({
    end: { state: "failed", failure },
  });
  expect(told.ended.get("package")?.state).toBe("failed");
});

test("a spec's own commands see no network, no root and no other job", async () => {
  const probe =
    "%prep\nid -u\n(exec 3<>/dev/tcp/1.1.1.1/53) 2>&1 || true\nls /workspace 2>&1 || true\n";
  const { told } = await build({
    ...HELLO,
    "rpm/hello.spec": SPEC.replace("%prep\n", `${probe}bash -c 'cat /proc/net/route | wc -l'\n`),
  });

  expect(told.end?.state).toBe("passed");
  expect(logOf(told)).toMatch(/^1000$/m);
  expect(logOf(told)).toContain("/workspace': No such file or directory");
  expect(logOf(told)).toMatch(/^1$/m);
});

test("nothing of all this is left on the engine", async () => {
  const left = await realEngine().listLeftovers(new AbortController().signal);

  expect(
    left.filter(({ workerId, kind }) => workerId === "worker-under-test" && kind !== "image"),
  ).toEqual([]);
  expect(await rig.filesOfJobs()).toEqual([]);
});
