import type { RpmFileEntry, RpmPackage } from "./rpm-package.ts";

/** One thing in which two RPMs differ: `file /usr/bin/hello: digest`, with both values. */
export interface RpmDifference {
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

/** Beyond this many the rest is only counted. */
const DIFFERENCES_MAX = 100;
const VALUE_MAX = 200;

/** Header tags first, then files, in the order of rpm. Payload bytes are judged by the files' digests. */
export function compareRpms(before: RpmPackage, after: RpmPackage): readonly RpmDifference[] {
  const found = [
    ...differencesOf(tagsOf(before), tagsOf(after)),
    ...differencesOf(filesOf(before), filesOf(after)),
  ];
  const more = found.length - DIFFERENCES_MAX;
  const shown = found.slice(0, DIFFERENCES_MAX);
  return more > 0 ? [...shown, { what: `${more} more`, before: "", after: "" }] : shown;
}

function tagsOf(rpm: RpmPackage): ReadonlyMap<string, string> {
  const { nevra, payload, relations } = rpm;
  const texts: [string, string][] = [
    ["nevra", JSON.stringify(nevra)],
    ...(
      [
        "summary",
        "description",
        "license",
        "vendor",
        "packager",
        "url",
        "group",
        "sourceRpm",
      ] as const
    ).map((tag): [string, string] => [tag, rpm[tag]]),
    ["buildHost", rpm.buildHost],
    ["buildTime", String(rpm.buildTime)],
    ["payload", `${payload.format} ${payload.compressor}`],
    ["changelog", JSON.stringify(rpm.changelog)],
    ["scripts", JSON.stringify(rpm.scripts)],
    ...Object.entries(relations).map(([kind, list]): [string, string] => [
      kind,
      list.map(({ name, comparison, evr }) => `${name} ${comparison} ${evr}`.trim()).join(", "),
    ]),
  ];
  return new Map(texts);
}

function filesOf({ files }: RpmPackage): ReadonlyMap<string, string> {
  return new Map(files.map((file) => [`file ${file.path}`, describe(file)]));
}

function describe({ kind, mode, user, group, sizeBytes, digest, ...rest }: RpmFileEntry): string {
  const { linkTarget, flags, mtime } = rest;
  const rights = `${kind} ${mode.toString(8)} ${user}:${group}`;
  const content = linkTarget === "" ? `${sizeBytes} bytes ${digest}` : `-> ${linkTarget}`;
  return `${rights} ${content} flags ${flags} at ${mtime}`;
}

function differencesOf(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly RpmDifference[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names]
    .filter((name) => before.get(name) !== after.get(name))
    .map((what) => ({
      what,
      before: shortened(before.get(what)),
      after: shortened(after.get(what)),
    }));
}

function shortened(value: string | undefined): string {
  if (value === undefined) return "absent";
  return value.length > VALUE_MAX ? `${value.slice(0, VALUE_MAX)}…` : value;
}
