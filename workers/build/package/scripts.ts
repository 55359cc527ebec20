import { readFile } from "node:fs/promises";

/** Texts of what runs inside the package step's containers. */
export interface PackageScripts {
  /** Makes the RPMs, without root or network. */
  readonly build: string;
  /** Installs what the spec's BuildRequires ask for, as root. */
  readonly install: string;
  /** Downloads sources that the spec names by address. */
  readonly fetch: string;
  /** Settings of rpmlint that fit packages which are not a distribution's. */
  readonly lintProfile: string;
}

export async function readPackageScripts(): Promise<PackageScripts> {
  const read = (name: string) => readFile(new URL(name, import.meta.url), "utf8");
  const [build, install, fetch, lintProfile] = await Promise.all([
    read("./build.sh"),
    read("./install.sh"),
    read("./fetch.sh"),
    read("./rpmlint.toml"),
  ]);
  return { build, install, fetch, lintProfile };
}
