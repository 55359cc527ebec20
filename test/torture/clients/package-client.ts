import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runShell } from "./debian-root.ts";
import type { DebianRoot, Ran } from "./debian-root.ts";
import { dnf4Commands, dnf5Commands, zypperCommands } from "./commands.ts";
import type { Commands } from "./commands.ts";

/** A host that subscribes to channels: one program of one release, in a root folder of its own. */
export interface PackageClient {
  /** `dnf 4.23.0 of trixie`. */
  readonly title: string;
  readonly kind: ClientKind;
  readonly commands: Commands;
  /** A line that prints what rpm has installed. */
  readonly installed: string;
  /** A line of shell as the host's administrator. */
  run(line: string): Promise<Ran>;
  /** A host without subscriptions, trusted keys, caches and packages. */
  reset(): Promise<void>;
  /** A line that a page shows, as it is typed on this host; undefined: its Debian has no such command. */
  asTyped(line: string): string | undefined;
  /** A folder for what a trial needs besides. */
  readonly scratch: string;
  /** Writes a `.repo` file by hand. */
  writeRepo(text: string): Promise<void>;
}

export type ClientKind = "dnf4" | "dnf5" | "zypper";

/** Only what these folders hold makes a host differ from a fresh one. */
const STATE = [
  "etc/yum.repos.d",
  "etc/zypp/repos.d",
  "root/.rpmdb",
  "usr/lib/sysimage/libdnf5",
  "usr/share/epoch",
  "usr/share/framed",
  "usr/share/hello",
  "usr/share/tool",
  "var/cache/dnf",
  "var/cache/libdnf5",
  "var/cache/zypp",
  "var/lib/dnf",
  "var/lib/rpm",
  "var/lib/zypp",
  "var/log",
];
const REPO_FOLDER = {
  dnf4: "etc/yum.repos.d",
  dnf5: "etc/yum.repos.d",
  zypper: "etc/zypp/repos.d",
};
/** Debian 12's rpm, and so dnf, has its database below the home folder. */
const ZYPPER_DATABASE = " --dbpath /var/lib/rpm";
/** As EL and Debian ship dnf, a bad signature ends in "Ignoring repositories" and exit code 0. */
const DNF_CONF = "[main]\ngpgcheck=1\ninstall_weak_deps=0\nskip_if_unavailable=0\nretries=1\n";

/** The root must be this client's alone. */
export async function clientIn(
  root: DebianRoot,
  kind: ClientKind,
  release: string,
): Promise<PackageClient> {
  const program = { dnf4: "dnf", dnf5: "dnf5", zypper: "zypper" }[kind];
  const { stdout } = await root.run(`${program} --version`);
  const version = /\d+(?:\.\d+)+/.exec(stdout)?.[0] ?? "unknown";
  await mkdir(join(root.folder, "etc/dnf/vars"), { recursive: true });
  await writeFile(join(root.folder, "etc/dnf/vars/releasever"), "9\n");
  await writeFile(join(root.folder, "etc/dnf/dnf.conf"), DNF_CONF);
  // Debian enables plugins that offer again what was installed once.
  await rm(join(root.folder, "etc/dnf/plugins/local.conf"), { force: true });
  await rm(join(root.folder, "etc/dnf/libdnf5-plugins/local.conf"), { force: true });
  // An unpacked Debian has no glibc that rpm knows, and zypper would mend that first.
  await rm(join(root.folder, "etc/zypp/systemCheck"), { force: true });
  const commands = { dnf4: dnf4Commands(), dnf5: dnf5Commands(), zypper: zypperCommands() }[kind];
  return {
    title: `${program} ${version} of ${release}`,
    kind,
    commands,
    installed: `rpm${kind === "zypper" ? ZYPPER_DATABASE : ""} --query --all`,
    run: root.run,
    scratch: "/tmp/trial",
    asTyped: (line) => {
      if (release === "bookworm" && line.startsWith("dnf config-manager")) return undefined;
      // On Fedora `dnf` is dnf5; here both are there.
      return kind === "dnf5" ? line.replace(/^dnf /, "dnf5 ") : line;
    },
    reset: () => emptyHost(root.folder),
    writeRepo: (text) => writeFile(join(root.folder, REPO_FOLDER[kind], "hand.repo"), text),
  };
}

/** This machine's own program, in a root folder that may not exist yet. */
export async function hostClient(
  folder: string,
  kind: Exclude<ClientKind, "dnf5">,
): Promise<PackageClient> {
  const programs = {
    dnf4: [
      `dnf --installroot=${folder} --releasever=9`,
      `--setopt=reposdir=${folder}/etc/yum.repos.d --setopt=cachedir=${folder}/var/cache/dnf`,
      `--setopt=logdir=${folder}/var/log --setopt=skip_if_unavailable=0 --setopt=retries=1`,
    ].join(" "),
    zypper: `zypper --root ${folder}`,
  };
  const program = programs[kind];
  await emptyHost(folder);
  return {
    title: `this machine's ${kind}`,
    kind,
    commands: kind === "dnf4" ? dnf4Commands(program) : zypperCommands(program),
    installed: `rpm --root ${folder}${kind === "zypper" ? ZYPPER_DATABASE : ""} --query --all`,
    run: (line) => runShell(["bash", "-c", line], line),
    scratch: join(folder, "scratch"),
    asTyped: (line) => {
      if (line.startsWith("dnf config-manager")) return undefined;
      return line
        .replace(/^zypper /, `${program} --non-interactive `)
        .replace(" /etc/", ` ${folder}/etc/`);
    },
    reset: () => emptyHost(folder),
    writeRepo: (text) => writeFile(join(folder, REPO_FOLDER[kind], "hand.repo"), text),
  };
}

async function emptyHost(root: string): Promise<void> {
  for (const path of STATE) {
    await rm(join(root, path), { recursive: true, force: true });
    if (path.startsWith("usr/share/")) continue;
    await mkdir(join(root, path), { recursive: true });
  }
}
