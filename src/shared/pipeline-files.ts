import { PACKAGE_SCRIPTS } from "../domain/pipeline.ts";
import type { FilesSource, PackagedFile, PackageScript, PackageUser } from "../domain/pipeline.ts";
import { mapOf, switchOf, textOf, textsOf, valueOf } from "./pipeline-checked.ts";
import type { CheckedEntry, CheckedMap, CheckedText } from "./pipeline-checked.ts";
import { quoted } from "./pipeline-mistake.ts";
import { readPath } from "./pipeline-paths.ts";
import { refuse } from "./pipeline-reading.ts";
import type { Reading, Scope } from "./pipeline-reading.ts";

interface FilesContext {
  readonly scope: Scope;
  /** Commands or tests make files before, so what is not in the commit may still come. */
  readonly isMadeBefore: boolean;
}

/** A package without a spec; undefined when a key that it needs is missing or was refused. */
export function readFilesSource(
  map: CheckedMap,
  context: FilesContext,
  reading: Reading,
): FilesSource | undefined {
  const name = textOf(map, "name")?.value;
  const summary = textOf(map, "summary")?.value;
  const license = textOf(map, "license")?.value;
  const list = (key: string): readonly string[] => textsOf(map, key)?.map((one) => one.value) ?? [];
  const files = entriesOf(mapOf(map, "files")).flatMap((entry) => {
    return readFile(entry, context, reading) ?? [];
  });
  const parts = {
    kind: "files" as const,
    files,
    url: textOf(map, "url")?.value ?? null,
    vendor: textOf(map, "vendor")?.value ?? null,
    requires: list("requires"),
    recommends: list("recommends"),
    provides: list("provides"),
    conflicts: list("conflicts"),
    obsoletes: list("obsoletes"),
    scripts: readScripts(mapOf(map, "scripts"), context, reading),
    sourceRpm: switchOf(map, "source-rpm") ?? true,
    debuginfo: switchOf(map, "debuginfo") ?? false,
  };
  if (name === undefined || summary === undefined || license === undefined) return undefined;
  const description = textOf(map, "description")?.value ?? summary;
  const users = readUsers(mapOf(map, "users"), summary);
  return { ...parts, name, summary, license, description, users };
}

function entriesOf(map: CheckedMap | undefined): readonly CheckedEntry[] {
  return [...(map?.entries.values() ?? [])];
}

function readFile(
  { key: path, keyAt, value }: CheckedEntry,
  context: FilesContext,
  reading: Reading,
): PackagedFile | undefined {
  if (value?.kind === "text") {
    const from = readSource(value, context, reading);
    return from === undefined
      ? undefined
      : { path, content: { kind: "from", path: from }, ...PLAIN };
  }
  if (value?.kind !== "map") return undefined;
  const content = readContent(value, keyAt, context, reading);
  if (content === undefined) return undefined;
  const isFolder = content.kind === "dir" && !path.endsWith("/");
  return {
    path: isFolder ? `${path}/` : path,
    content,
    config: configOf(value),
    mode: textOf(value, "mode")?.value.padStart(4, "0") ?? null,
    owner: textOf(value, "owner")?.value ?? PLAIN.owner,
    group: textOf(value, "group")?.value ?? PLAIN.group,
    isDoc: switchOf(value, "doc") ?? false,
    isLicense: switchOf(value, "license") ?? false,
  };
}

const PLAIN = {
  config: "no",
  mode: null,
  owner: "root",
  group: "root",
  isDoc: false,
  isLicense: false,
} as const;

function readContent(
  map: CheckedMap,
  keyAt: CheckedEntry["keyAt"],
  context: FilesContext,
  reading: Reading,
): PackagedFile["content"] | undefined {
  if (map.entries.has("dir")) return { kind: "dir" };
  const link = textOf(map, "link");
  if (link !== undefined) return { kind: "link", target: link.value };
  const text = textOf(map, "from");
  const from = text && readSource(text, context, reading);
  if (from !== undefined) return { kind: "from", path: from };
  if (map.entries.has("from") || map.entries.has("link")) return undefined;
  return refuse(reading, keyAt, {
    code: "KEY_MISSING",
    message: `${quoted(keyOf(map))} needs "from", "dir" or "link"`,
    hint: "add `from: dist/hello`, or `dir: true` for an empty folder",
  });
}

/** The installed path at the end of `package.files./usr/bin/hello`. */
function keyOf({ where }: CheckedMap): string {
  return where.slice(where.indexOf("/"));
}

function configOf(map: CheckedMap): PackagedFile["config"] {
  const value = valueOf(map, "config");
  if (value?.kind === "text") return "noreplace";
  return value?.kind === "switch" && value.value ? "yes" : "no";
}

/** A file or folder of the commit, or one that is made before. */
function readSource(
  text: CheckedText,
  { scope, isMadeBefore }: FilesContext,
  reading: Reading,
): string | undefined {
  const path = readPath(text, scope, reading);
  if (path === undefined || isMadeBefore) return path;
  if (reading.tree.has(path) || reading.hasFolder(path)) return path;
  const near = reading.nearFile(path);
  return refuse(reading, text.at, {
    code: "FILE_MISSING",
    message: `no file ${quoted(path)} in commit ${reading.tree.shortSha}`,
    hint:
      near === undefined
        ? "commit it, or make it: with `run`, or in a test that keeps it"
        : `did you mean ${near.path}?`,
  });
}

function readScripts(
  map: CheckedMap | undefined,
  context: FilesContext,
  reading: Reading,
): FilesSource["scripts"] {
  const scripts: Partial<Record<PackageScript, string>> = {};
  for (const name of PACKAGE_SCRIPTS) {
    const text = map && textOf(map, name);
    const path = text && readSource(text, context, reading);
    if (path !== undefined) scripts[name] = path;
  }
  return scripts;
}

function readUsers(map: CheckedMap | undefined, summary: string): readonly PackageUser[] {
  return entriesOf(map).map(({ key: name, value }) => {
    if (value?.kind !== "map") {
      const description = value?.kind === "text" ? value.value : summary;
      return { name, description, home: null, groups: [] };
    }
    return {
      name,
      description: textOf(value, "description")?.value ?? summary,
      home: textOf(value, "home")?.value ?? null,
      groups: textsOf(value, "groups")?.map((group) => group.value) ?? [],
    };
  });
}
