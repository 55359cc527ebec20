import type { FilesSource, PackagedFile } from "./pipeline.ts";
import { addsUsers, hasSystemdMacros } from "./rpm-abilities.ts";
import { scriptletsOf, shellOf, unitsOf } from "./spec-scriptlets.ts";
import type { Scriptlets } from "./spec-scriptlets.ts";
import { specBlock, specLine, specPath } from "./spec-text.ts";

/** One file, folder or link that the package installs, as it lies in its archive. */
export interface InstalledFile {
  /** Absolute, without a slash at its end. */
  readonly path: string;
  /** `tree`: a folder with everything below it, modes as they are in the archive. */
  readonly kind: "file" | "dir" | "link" | "tree";
  /** Octal text such as `0755`; null for a link and a tree. */
  readonly mode: string | null;
  readonly rule: Pick<PackagedFile, "config" | "owner" | "group" | "isDoc" | "isLicense">;
}

export interface SpecFacts {
  readonly source: Omit<FilesSource, "files" | "scripts">;
  /** Texts of the package's scripts. */
  readonly scripts: FilesSource["scripts"];
  readonly files: readonly InstalledFile[];
  readonly version: string;
  /** With `%{?dist}`. */
  readonly release: string;
  readonly target: string;
  readonly isNoarch: boolean;
  readonly changes: ChangeFacts;
}

export interface ChangeFacts {
  /** Subjects of the newest commits, the newest first. */
  readonly subjects: readonly string[];
  readonly authorName: string;
  readonly committedAtSeconds: number;
}

/** Name of the archive that holds what a package without a spec of its own installs. */
export function rootArchiveName({ name }: Pick<FilesSource, "name">, version: string): string {
  return `${name}-${version}-root.tar.gz`;
}

/** Where the users that a package needs are declared. */
export function sysusersPath({ name }: Pick<FilesSource, "name">): string {
  return `/usr/lib/sysusers.d/${name}.conf`;
}

/** A spec for these files, ready to be committed the day it is outgrown. */
export function writeSpec(facts: SpecFacts): string {
  const { source, files, scripts, target } = facts;
  const units = unitsOf(files.map(({ path }) => path));
  const scriptlets = scriptletsOf({ users: source.users, scripts }, units, target);
  const parts = [
    preamble(facts, units, scriptlets),
    ["%description", specBlock(source.description) || specLine(source.summary)],
    ["%install", "mkdir -p %{buildroot}", "tar -C %{buildroot} -xf %{SOURCE0}"],
    ...scriptletParts(scriptlets, scripts),
    ["%files", ...files.map(fileLine)],
    changelog(facts),
  ];
  return `${parts.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

function preamble(
  { source, version, release, target, isNoarch }: SpecFacts,
  units: readonly string[],
  { pre }: Scriptlets,
): readonly string[] {
  const usesMacros = units.length > 0 && hasSystemdMacros(target);
  const tag = (name: string, value: string | null) =>
    value === null || value === "" ? [] : [`${`${name}:`.padEnd(14)} ${value}`];
  const relations = (name: string, values: readonly string[]) =>
    values.flatMap((value) => tag(name, specLine(value)));
  const makesUsers = source.users.length > 0 && !addsUsers(target);
  return [
    "# Made by Tatara from .tatara.yml",
    ...(source.debuginfo ? [] : AS_MADE),
    ...tag("Name", specLine(source.name)),
    ...tag("Version", specLine(version)),
    ...tag("Release", release),
    ...tag("Summary", specLine(source.summary)),
    ...tag("License", specLine(source.license)),
    ...tag("URL", source.url === null ? null : specLine(source.url)),
    ...tag("Vendor", source.vendor === null ? null : specLine(source.vendor)),
    ...(isNoarch ? tag("BuildArch", "noarch") : []),
    ...tag("Source0", "%{name}-%{version}-root.tar.gz"),
    ...(usesMacros ? tag("BuildRequires", "systemd-rpm-macros") : []),
    ...relations("Requires", source.requires),
    ...relations("Recommends", source.recommends),
    ...relations("Provides", source.provides),
    ...relations("Conflicts", source.conflicts),
    ...relations("Obsoletes", source.obsoletes),
    ...(makesUsers && pre.length > 0 ? tag("Requires(pre)", "shadow-utils") : []),
    ...(usesMacros ? ["%{?systemd_requires}"] : []),
  ];
}

/** What is listed is what is installed, byte for byte: not stripped, no line changed. */
const AS_MADE = [
  "%global debug_package %{nil}",
  "%global __os_install_post %{nil}",
  "%global _build_id_links none",
] as const;

function scriptletParts(
  scriptlets: Scriptlets,
  scripts: SpecFacts["scripts"],
): readonly (readonly string[])[] {
  return (["pre", "post", "preun", "postun"] as const)
    .filter((name) => scriptlets[name].length > 0)
    .map((name) => {
      const shell = shellOf(name, scripts);
      return [shell === null ? `%${name}` : `%${name} -p ${shell}`, ...scriptlets[name]];
    });
}

function fileLine({ path, kind, mode, rule }: InstalledFile): string {
  const marks = [
    ...(rule.config === "no" ? [] : [rule.config === "yes" ? "%config" : "%config(noreplace)"]),
    ...(rule.isDoc ? ["%doc"] : []),
    ...(rule.isLicense ? ["%license"] : []),
    ...(kind === "dir" ? ["%dir"] : []),
    `%attr(${mode ?? "-"}, ${specLine(rule.owner)}, ${specLine(rule.group)})`,
  ];
  return [...marks, specPath(path)].join(" ");
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** One entry, of the commit's day in UTC; what is newest comes first. */
function changelog({ changes, version, release }: SpecFacts): readonly string[] {
  const date = new Date(changes.committedAtSeconds * 1_000);
  const day = String(date.getUTCDate()).padStart(2, "0");
  const on = `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${day} ${date.getUTCFullYear()}`;
  const by = specLine(changes.authorName) || "Tatara";
  const number = release.replaceAll("%{?dist}", "");
  return [
    "%changelog",
    `* ${on} ${by} - ${specLine(version)}-${number}`,
    ...changes.subjects.map((subject) => `- ${specLine(subject)}`),
  ];
}
