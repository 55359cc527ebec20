import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aPackage, queryRpm, specSource, startPackageRig } from "../support/package-rig.ts";
import type { PackageRig } from "../support/package-rig.ts";

const SPEC = `Name: squeeze
Version: 1.0
Release: 1%{?dist}
Summary: Says how small a text gets
License: MIT
BuildRequires: gcc, make, pkgconfig(zlib)
Source0: %{name}-%{version}.tar.gz

%description
Says how small a text gets.

%prep
%setup -q

%build
gcc -O2 -g -o squeeze squeeze.c $(pkg-config --libs zlib || echo -lz)

%install
install -D squeeze %{buildroot}/usr/bin/squeeze

%files
/usr/bin/squeeze
`;

const SQUEEZE = {
  "squeeze.c": `#include <stdio.h>
#include <zlib.h>
int main(void) { return printf("%lu\\n", compressBound(1000)) < 0; }
`,
  "squeeze.spec": SPEC,
};

let rig: PackageRig;
beforeAll(async () => {
  rig = await startPackageRig();
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

const plan = aPackage({ source: specSource("squeeze.spec"), lint: "off" });

test("what BuildRequires ask for is installed from Debian, and the next build finds it installed", async () => {
  const repo = await rig.repo(SQUEEZE);

  const cold = await rig.make(repo, plan, { isFresh: true });
  const warm = await rig.make(repo, plan);

  expect(cold.log).toContain("tatara: the builder image lacks pkgconfig(zlib)");
  expect(cold.outcome).toMatchObject({ state: "passed", reused: null });
  expect(await queryRpm(cold.path(/squeeze-1.*x86_64/), "--requires")).toContain("libz.so.1");
  expect(warm.log).toContain("an earlier build installed them already");
  expect(warm.log).not.toContain("apt-get");
  expect(warm.outcome).toMatchObject({ reused: "build requirements: pkgconfig(zlib)" });
});

test("names of Fedora's family and rich requirements find their Debian packages", async () => {
  const spec = SPEC.replace("pkgconfig(zlib)", "zlib-devel >= 1.2, (nothing-like-it or bison)");
  const repo = await rig.repo({ ...SQUEEZE, "squeeze.spec": spec });

  const { outcome, log } = await rig.make(repo, plan);

  expect(outcome, log).toMatchObject({ state: "passed" });
  expect(log).toMatch(/apt-get install.* zlib1g-dev|earlier build installed/);
});

test("what no source has is named, and rpmbuild does not run", async () => {
  const spec = SPEC.replace("pkgconfig(zlib)", "libnowhere-devel >= 3, barify");
  const repo = await rig.repo({ ...SQUEEZE, "squeeze.spec": spec });

  const { outcome, log } = await rig.make(repo, plan);

  expect(outcome).toMatchObject({
    state: "failed",
    failure: {
      code: "BUILD_REQUIRES_MISSING",
      message:
        "The image has no barify, libnowhere-devel >= 3, which the spec's BuildRequires ask for.",
      file: "squeeze.spec",
    },
  });
  expect(log).toContain("tatara: Debian has no package known for barify");
  expect(log).not.toContain("$ rpmbuild -ba");
  expect((await rig.make(repo, plan)).log).not.toContain("earlier build installed");
});

test("requirements that the spec computes are installed until nothing is missing", async () => {
  const generate = `%generate_buildrequires
echo 'bison'
if command -v bison > /dev/null; then echo 'pkgconfig(zlib)'; fi

%build`;
  const spec = SPEC.replace(", pkgconfig(zlib)", "").replace("%build", generate);
  const repo = await rig.repo({ ...SQUEEZE, "squeeze.spec": spec });

  const { outcome, log } = await rig.make(repo, plan);

  expect(outcome, log).toMatchObject({ state: "passed" });
  expect(log).toContain("tatara: the builder image lacks bison");
  expect(log).toContain("tatara: the builder image lacks pkgconfig(zlib)");
});

test("a source that is only an address is downloaded if the file allows it", async () => {
  const address = `${await ownMirror()}/README`;
  const spec = SPEC.replace("pkgconfig(zlib)", "make")
    .replace("%description", `Source1: ${address}\n\n%description`)
    .replace(/gcc -O2.*/, "grep -i debian %{SOURCE1} > squeeze")
    .replace("BuildRequires: gcc", "BuildArch: noarch\nBuildRequires: gcc");
  const repo = await rig.repo({ ...SQUEEZE, "squeeze.spec": spec });
  const source = specSource("squeeze.spec", { fetch: true });

  const fetched = await rig.make(repo, { ...plan, source });
  const refused = await rig.make(repo, plan);

  expect(fetched.outcome, fetched.log).toMatchObject({ state: "passed" });
  expect(await queryRpm(fetched.path(/src/), "--list")).toContain("README\n");
  expect(refused.outcome).toMatchObject({ failure: { code: "SPEC_SOURCE_MISSING" } });
});

/** Where this machine gets its own packages from: the one address that is sure to be in reach. */
async function ownMirror(): Promise<string> {
  const { stdout } = await promisify(execFile)("apt-get", ["indextargets", "--format", "$(SITE)"]);
  const site = stdout.split("\n").find((line) => /\/debian\/?$/.test(line));
  if (site === undefined) throw new Error(`No mirror of Debian among ${stdout}`);
  return site.replace(/\/$/, "");
}
