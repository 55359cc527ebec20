import { execFile } from "node:child_process";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { debianSource } from "../support/debian-source.ts";
import { dnfClient } from "../support/dnf-client.ts";
import { startTatara, type Tatara, type TestRepo } from "../support/start-tatara.ts";

const run = promisify(execFile);
/** A configure script on a machine with much else to do. */
const BUILD_MS = 600_000;

/** GNU hello, in C, with the test suite that its authors wrote. */
const HELLO = {
  ".tatara.yml":
    "image: ./Dockerfile\ntest: ./configure && make && make check\npackage: hello.spec\npublish: dev\n",
  Dockerfile: "FROM tatara/base\n",
  spec: (version: string) => `%global debug_package %{nil}
Name: hello
Version: ${version}
Release: 1%{?dist}
Summary: The friendly greeting program of the GNU project
License: GPL-3.0-or-later
Source0: %{name}-%{version}.tar.gz
BuildRequires: gcc make
%description
Greets the world, and shows how a GNU program is made.
%prep
%setup -q
%build
./configure --prefix=%{_prefix} --mandir=%{_mandir} --infodir=%{_infodir}
make
%install
make install DESTDIR=%{buildroot}
rm -f %{buildroot}%{_infodir}/dir
%files
%license COPYING
%{_bindir}/hello
%{_mandir}/man1/hello.1*
%{_infodir}/hello.info*
%{_datadir}/locale/*/LC_MESSAGES/hello.mo
`,
};

/** GNU Stow, in Perl, with its authors' tests; what they need comes by apt in the Dockerfile. */
const STOW_MADE = "bin/stow bin/chkstow lib/Stow.pm lib/Stow/Util.pm";
const STOW = {
  ".tatara.yml": `image: ./Dockerfile\ntest: ./configure && make ${STOW_MADE} && prove -I t -I lib -I bin t\npackage: stow.spec\npublish: dev\n`,
  Dockerfile:
    "FROM tatara/base\nRUN apt-get update && apt-get install -y --no-install-recommends perl libtest-output-perl libio-stringy-perl\n",
  spec: (version: string) => `Name: stow
Version: ${version}
Release: 1%{?dist}
Summary: Manages farms of symbolic links
License: GPL-3.0-or-later
BuildArch: noarch
Source0: %{name}-%{version}.tar.gz
BuildRequires: make perl
%description
Makes packages in separate folders appear to be installed in one place.
%prep
%setup -q
%build
./configure --prefix=%{_prefix} --with-pmdir=%{_datadir}/perl5
make ${STOW_MADE}
%install
install -D -m 755 bin/stow %{buildroot}%{_bindir}/stow
install -D -m 755 bin/chkstow %{buildroot}%{_bindir}/chkstow
install -D -m 644 lib/Stow.pm %{buildroot}%{_datadir}/perl5/Stow.pm
install -D -m 644 lib/Stow/Util.pm %{buildroot}%{_datadir}/perl5/Stow/Util.pm
%files
%license COPYING
%{_bindir}/stow
%{_bindir}/chkstow
%{_datadir}/perl5/Stow*
`,
};

async function pushUpstream(
  tatara: Tatara,
  name: string,
  program: typeof HELLO,
): Promise<{ repo: TestRepo; version: string }> {
  await using source = await debianSource(name);
  const repo = await tatara.createRepo(`upstream/${name}`);
  await cp(source.dir, repo.dir, { recursive: true });
  await writeFile(join(repo.dir, ".tatara.yml"), program[".tatara.yml"]);
  await writeFile(join(repo.dir, "Dockerfile"), program.Dockerfile);
  await writeFile(join(repo.dir, `${name}.spec`), program.spec(source.version));
  // Upstream's .gitignore names generated files that its release archive carries.
  await run("git", ["add", "--all", "--force"], { cwd: repo.dir });
  await repo.commit({}, `${name} ${source.version}`);
  await repo.push();
  return { repo, version: source.version };
}

test("GNU hello passes its own checks, becomes an RPM and greets from a host", async () => {
  await using tatara = await startTatara();
  const { version } = await pushUpstream(tatara, "hello", HELLO);

  const build = await tatara.until("upstream/hello#1", "passed", BUILD_MS);

  expect(await tatara.log(build.id, "test")).toMatch(/# FAIL: +0/);
  await using host = await dnfClient({ repoUrl: `${tatara.url}/yum/dev.repo` });
  expect(await host.install("hello")).toMatchObject({ code: 0 });
  expect((await host.run("hello", "--version")).output).toContain(`hello (GNU Hello) ${version}`);
});

test("GNU Stow, in Perl, passes its own tests, becomes a noarch RPM and works on a host", async () => {
  await using tatara = await startTatara();
  const { version } = await pushUpstream(tatara, "stow", STOW);

  const build = await tatara.until("upstream/stow#1", "passed", BUILD_MS);

  expect(await tatara.log(build.id, "test")).toContain("Result: PASS");
  await using host = await dnfClient({ repoUrl: `${tatara.url}/yum/dev.repo` });
  expect(await host.install("stow")).toMatchObject({ code: 0 });
  expect((await host.run("stow", "--version")).output).toContain(version);
  await host.run("sh", "-c", "mkdir -p /tmp/s/pkg/bin /tmp/t && touch /tmp/s/pkg/bin/tool");
  await host.run("stow", "--dir=/tmp/s", "--target=/tmp/t", "pkg");
  expect((await host.run("readlink", "/tmp/t/bin")).output).toContain("../s/pkg/bin");
});
