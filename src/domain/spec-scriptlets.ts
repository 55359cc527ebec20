import type { FilesSource, PackageUser } from "./pipeline.ts";
import { addsUsers, hasSystemdMacros } from "./rpm-abilities.ts";
import { specLine, specShellWord } from "./spec-text.ts";

/** The scripts of a package, by the names that a spec has for them. */
export interface Scriptlets {
  readonly pre: readonly string[];
  readonly post: readonly string[];
  readonly preun: readonly string[];
  readonly postun: readonly string[];
}

const UNIT =
  /^\/usr\/lib\/systemd\/system\/([^/]+\.(?:service|socket|timer|path|target|mount|automount|swap|slice))$/;

/** Names of the systemd units among these installed files. */
export function unitsOf(paths: readonly string[]): readonly string[] {
  const found = paths.map((path) => UNIT.exec(path)?.[1]);
  return found.filter((unit) => unit !== undefined).toSorted();
}

/** Users first, units next, and what the repository's own scripts say last. */
export function scriptletsOf(
  {
    users,
    scripts,
  }: Pick<FilesSource, "users"> & {
    /** Texts of the scripts. */
    readonly scripts: FilesSource["scripts"];
  },
  units: readonly string[],
  target: string,
): Scriptlets {
  const own = (phase: keyof Scriptlets): readonly string[] => {
    const text = scripts[PHASES[phase]];
    return text === undefined ? [] : ownScript(text);
  };
  const makesUsers = users.length > 0 && !addsUsers(target);
  const systemd = hasSystemdMacros(target) ? systemdMacros(units) : systemdCommands(units);
  return {
    pre: [...(makesUsers ? users.flatMap(addUser) : []), ...own("pre")],
    post: [...systemd.post, ...own("post")],
    preun: [...systemd.preun, ...own("preun")],
    postun: [...systemd.postun, ...own("postun")],
  };
}

/** Where rpm does not read the sysusers file itself. */
function addUser({ name, description, home, groups }: PackageUser): readonly string[] {
  const user = specShellWord(name);
  const options = [
    "-r",
    `-g ${user}`,
    ...(groups.length === 0 ? [] : [`-G ${specShellWord(groups.join(","))}`]),
    `-d ${specShellWord(home ?? "/")}`,
    "-M -s /sbin/nologin",
    `-c ${specShellWord(specLine(description))}`,
    user,
  ];
  const needed = [...groups.map(specShellWord), user];
  return [
    ...needed.map((group) => `getent group ${group} > /dev/null || groupadd -r ${group}`),
    `getent passwd ${user} > /dev/null || useradd ${options.join(" ")}`,
  ];
}

/** Lines of a sysusers file, which systemd and newer rpm read. */
export function sysusersFile(users: readonly PackageUser[]): string {
  const lines = users.flatMap(({ name, description, home, groups }) => [
    `u ${name} - "${description.replaceAll('"', "'").replace(/\s+/g, " ")}" ${home ?? "/"} -`,
    ...groups.map((group) => `m ${name} ${group}`),
  ]);
  return `${lines.join("\n")}\n`;
}

/** A service is restarted by an upgrade; what only starts others is left running. */
function systemdMacros(units: readonly string[]): Omit<Scriptlets, "pre"> {
  if (units.length === 0) return NOTHING;
  const restarted = units.filter(isRestarted);
  const kept = units.filter((unit) => !isRestarted(unit));
  const list = (names: readonly string[]) => names.map(specLine).join(" ");
  return {
    post: [`%systemd_post ${list(units)}`],
    preun: [`%systemd_preun ${list(units)}`],
    postun: [
      ...(restarted.length > 0 ? [`%systemd_postun_with_restart ${list(restarted)}`] : []),
      ...(kept.length > 0 ? [`%systemd_postun ${list(kept)}`] : []),
    ],
  };
}

/** The same in plain commands, silent on a host that systemd does not run. */
function systemdCommands(units: readonly string[]): Omit<Scriptlets, "pre"> {
  if (units.length === 0) return NOTHING;
  const list = units.map(specShellWord).join(" ");
  const restarted = units.filter(isRestarted).map(specShellWord).join(" ");
  const restart = `  systemctl try-restart ${restarted} > /dev/null 2>&1 || :`;
  return {
    post: [
      'if [ "$1" -eq 1 ] && command -v systemctl > /dev/null; then',
      `  systemctl --no-reload preset ${list} > /dev/null 2>&1 || :`,
      "fi",
    ],
    preun: [
      'if [ "$1" -eq 0 ] && command -v systemctl > /dev/null; then',
      `  systemctl --no-reload disable --now ${list} > /dev/null 2>&1 || :`,
      "fi",
    ],
    postun: [
      "if [ -d /run/systemd/system ] && command -v systemctl > /dev/null; then",
      "  systemctl daemon-reload > /dev/null 2>&1 || :",
      ...(restarted === "" ? [] : ['  [ "$1" -eq 0 ] ||' + restart.slice(1)]),
      "fi",
    ],
  };
}

const NOTHING = { post: [], preun: [], postun: [] } as const;

function isRestarted(unit: string): boolean {
  return unit.endsWith(".service");
}

const PHASES = {
  pre: "pre-install",
  post: "post-install",
  preun: "pre-remove",
  postun: "post-remove",
} as const satisfies Record<keyof Scriptlets, keyof FilesSource["scripts"]>;

/** What runs a scriptlet; null: rpm's own choice, which is sh. */
export function shellOf(phase: keyof Scriptlets, scripts: FilesSource["scripts"]): string | null {
  const isBash = /^#!.*\bbash\b/.test(scripts[PHASES[phase]] ?? "");
  return isBash ? "/bin/bash" : null;
}

/** A script runs in rpm's shell with rpm's argument, in a subshell: its `exit` ends nothing of ours. */
function ownScript(text: string): readonly string[] {
  const lines = text
    .replace(/^#![^\n]*\n/, "")
    .trimEnd()
    .split("\n");
  return ["(", ...lines.map((line) => line.replaceAll("%", "%%")), ")"];
}
