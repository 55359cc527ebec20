import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export type SampleFiles = Record<string, string>;

/** A folder of `examples/` as path → text, executable files marked as the forge double wants it. */
export async function exampleFiles(name: string): Promise<SampleFiles> {
  const root = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files: SampleFiles = {};
  for (const entry of entries.filter((candidate) => candidate.isFile())) {
    const path = join(entry.parentPath, entry.name);
    const mark = path.endsWith(".sh") ? "*" : "";
    files[relative(root, path) + mark] = await readFile(path, "utf8");
  }
  return files;
}

const SPEC = `Name: NAME
Version: 1.0
Release: 1%{?dist}
Summary: A script that says its name
License: MIT
BuildArch: noarch
Source0: %{name}-%{version}.tar.gz
%description
A script that says its name.
%prep
%setup -q
%build
BUILD
%install
install -D -m 755 tiny %{buildroot}%{_bindir}/NAME
%files
%{_bindir}/NAME
`;

/**
 * The smallest repository that goes the whole line; parts of it can be replaced. Packages of two
 * repos need two names: the first to publish a name owns it.
 */
export function tinyRepo(
  parts: {
    readonly name?: string;
    readonly test?: string;
    readonly build?: string;
    readonly dockerfile?: string;
    /** Installs the package in a clean container before it is published; off, as it takes a second. */
    readonly verify?: boolean;
  } = {},
): SampleFiles {
  const {
    name = "tiny",
    test = "sh ./tiny",
    build = ":",
    dockerfile = "FROM tatara/base\n",
    verify = false,
  } = parts;
  const what = verify ? "tiny.spec" : "{ spec: tiny.spec, verify: false }";
  return {
    ".tatara.yml": `image: ./Dockerfile\ntest: ${JSON.stringify(test)}\npackage: ${what}\npublish: dev\n`,
    Dockerfile: dockerfile,
    tiny: "#!/bin/sh\necho tiny\n",
    "tiny.spec": SPEC.replace("BUILD", build).replaceAll("NAME", name),
  };
}
