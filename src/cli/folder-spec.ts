import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { installedFiles } from "../domain/installed-files.ts";
import type { SourceEntry } from "../domain/installed-files.ts";
import { versionByPattern } from "../domain/package-version.ts";
import type { CommitTree, FilesSource, PackagedFile, PackageStep } from "../domain/pipeline.ts";
import { compareRpmVersions } from "../domain/rpm-version.ts";
import { writeSpec } from "../domain/spec-file.ts";
import type { FolderHistory } from "./git-folder.ts";

const FIRST_VERSION = "0.1.0";
const FALLBACK_TARGET = "el9.x86_64";

export interface SpecFolder {
  readonly root: string;
  readonly tree: CommitTree;
  readonly history: FolderHistory;
}

/**
 * The spec file of a package that has none, as it could be committed: with the newest version that
 * git's tags know, and a plain release. What the package's commands make first is taken to be a file.
 */
export function specOfFolder(
  step: PackageStep & { readonly source: FilesSource },
  folder: SpecFolder,
): string {
  const { source, arch } = step;
  const { root, history } = folder;
  const { subjects, authorName, committedAtSeconds } = history;
  const scripts = Object.entries(source.scripts).map(([when, path]) => {
    return [when, readFileSync(join(root, path), "utf8")];
  });
  return writeSpec({
    source,
    scripts: Object.fromEntries(scripts) as FilesSource["scripts"],
    files: installedFiles(source, (file) => entriesOf(file, folder)),
    version: versionOf(step, history),
    release: step.release.kind === "fixed" ? step.release.release : "1%{?dist}",
    target: targetOf(step),
    isNoarch: arch.includes("noarch"),
    changes: { subjects, authorName, committedAtSeconds },
  });
}

function versionOf({ version }: PackageStep, { tags }: FolderHistory): string {
  if (version.kind === "fixed") return version.version;
  const pattern = version.kind === "from-tag" ? version.pattern : null;
  const versions = tags.map((tag) => versionByPattern(tag, pattern));
  const known = versions.filter((each) => each !== undefined);
  return known.toSorted(compareRpmVersions).at(-1) ?? FIRST_VERSION;
}

/** The first of its targets decides which macros the spec may use. */
function targetOf({ for: wanted, arch }: PackageStep): string {
  const [first] = wanted ?? [];
  if (first === undefined) return FALLBACK_TARGET;
  const [machine = "x86_64"] = arch.filter((one) => one !== "noarch");
  return first.includes(".") ? first : `${first}.${machine}`;
}

function entriesOf({ content }: PackagedFile, { root, tree }: SpecFolder): readonly SourceEntry[] {
  if (content.kind !== "from") return [{ inside: "", kind: content.kind, isExecutable: false }];
  const { path } = content;
  const below = tree.files().filter((file) => file.startsWith(`${path}/`));
  if (below.length === 0) return [entryOf(root, path, "")];
  const folders = new Set(below.flatMap((file) => foldersBetween(path, file)));
  return [
    ...[...folders].map((inside) => ({ inside, kind: "dir", isExecutable: false }) as const),
    ...below.map((file) => entryOf(root, file, file.slice(path.length))),
  ];
}

/** `doc`, `doc/a/b.txt` → "" and `/a`. */
function foldersBetween(top: string, file: string): readonly string[] {
  const parts = file.slice(top.length).split("/").slice(0, -1);
  return parts.map((_part, index) => parts.slice(0, index + 1).join("/"));
}

function entryOf(root: string, path: string, inside: string): SourceEntry {
  const found = lstatSync(join(root, path), { throwIfNoEntry: false });
  const kind = found?.isSymbolicLink() === true ? "link" : "file";
  return { inside, kind, isExecutable: ((found?.mode ?? 0) & 0o111) !== 0 };
}
