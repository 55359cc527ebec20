/** What an administrator types; every line is non-interactive, and says yes to keys. */
export interface Commands {
  /** Fetches the metadata anew and checks its signature. */
  readonly refresh: string;
  /** Everything that is offered. */
  readonly list: string;
  /** `name-[epoch:]version-release.arch` of each line of `list`, sorted. */
  readonly listed: (stdout: string) => readonly string[];
  install(name: string, version?: string): string;
  readonly upgrade: string;
  downgrade(name: string, version: string): string;
  /** Advisories for what is installed. */
  readonly advisories: string;
  readonly upgradeSecurity: string;
  /** Takes the host to what the channels offer, also to lower versions. */
  readonly follow: string;
  /** Undefined: the program knows no groups. */
  readonly groups: string | undefined;
  readonly modules: string | undefined;
}

const FORMAT = "%{name}-%{evr}.%{arch}";

export function dnf4Commands(program = "dnf"): Commands {
  const dnf = `${program} --assumeyes`;
  return {
    ...dnfCommands(dnf),
    list: `${dnf} --quiet --refresh repoquery --qf '${FORMAT}'`,
    advisories: `${dnf} --quiet updateinfo list`,
    modules: `${dnf} --quiet module list`,
  };
}

export function dnf5Commands(program = "dnf5"): Commands {
  const dnf = `${program} --assumeyes`;
  return {
    ...dnfCommands(dnf),
    list: `${dnf} --quiet --refresh repoquery --qf '${FORMAT}\\n'`,
    advisories: `${dnf} --quiet advisory list`,
    modules: `${dnf} --quiet module list`,
  };
}

function dnfCommands(dnf: string) {
  return {
    refresh: `${dnf} --refresh makecache`,
    listed: (stdout: string) => linesOf(stdout).filter((line) => /^\S+-\S+-\S+\.\S+$/.test(line)),
    install: (name: string, version?: string) =>
      `${dnf} --refresh install ${version === undefined ? name : `${name}-${version}`}`,
    upgrade: `${dnf} --refresh upgrade`,
    downgrade: (name: string, version: string) => `${dnf} downgrade ${name}-${version}`,
    upgradeSecurity: `${dnf} --refresh upgrade --security`,
    follow: `${dnf} --refresh distro-sync`,
    groups: `${dnf} --quiet group list`,
  };
}

export function zypperCommands(program = "zypper"): Commands {
  const zypper = `${program} --non-interactive --gpg-auto-import-keys`;
  const refresh = `${zypper} refresh`;
  // Without the option a host is up to date for ten minutes.
  const anew = (command: string) => `${refresh} --force && ${zypper} --no-refresh ${command}`;
  return {
    refresh,
    list: anew("--quiet search --details --type package"),
    listed: (stdout) => linesOf(stdout).flatMap(packageOfRow).toSorted(),
    install: (name, version) =>
      anew(`install ${version === undefined ? name : `'${name}=${version}'`}`),
    upgrade: anew("update"),
    downgrade: (name, version) => `${zypper} install --oldpackage '${name}=${version}'`,
    advisories: `${zypper} list-patches`,
    upgradeSecurity: anew("patch --category security"),
    follow: anew("dist-upgrade --allow-downgrade"),
    groups: undefined,
    modules: undefined,
  };
}

/** `  | hello | package | 1.0-1 | noarch | Tatara dev`; what is installed only, is of `(System Packages)`. */
function packageOfRow(row: string): readonly string[] {
  const [, name, type, version, arch, repo] = row.split("|").map((cell) => cell.trim());
  const isOffered = type === "package" && repo !== "(System Packages)";
  return isOffered ? [`${name}-${version}.${arch}`] : [];
}

function linesOf(text: string): readonly string[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .toSorted();
}
