import type { FilesSource, PackagedFile } from "./pipeline.ts";
import type { InstalledFile } from "./spec-file.ts";
import { sysusersPath } from "./spec-file.ts";
import { isSystemFolder, ownedParents } from "./system-folders.ts";

/** What stands at the source of a packaged file: itself, or something below the folder. */
export interface SourceEntry {
  /** "" for the source itself, `/deep/a.txt` for what is below it. */
  readonly inside: string;
  readonly kind: "file" | "dir" | "link";
  readonly isExecutable: boolean;
}

const PLAIN = {
  config: "no",
  owner: "root",
  group: "root",
  isDoc: false,
  isLicense: false,
} as const;

/** What a spec must list so that all of it is installed, and nothing of the system is owned. */
export function installedFiles(
  source: FilesSource,
  entriesOf: (file: PackagedFile) => readonly SourceEntry[],
): readonly InstalledFile[] {
  const listed = new Map<string, InstalledFile>();
  for (const file of source.files) {
    const found = entriesOf(file).map((entry) => installed(file, entry));
    for (const each of linesFor(found, file, source)) listed.set(each.path, each);
  }
  if (source.users.length > 0) {
    const path = sysusersPath(source);
    listed.set(path, { path, kind: "file", mode: "0644", rule: PLAIN });
  }
  for (const path of [...listed.keys()].flatMap(ownedParents)) {
    if (!isListed(path, listed)) listed.set(path, { path, kind: "dir", mode: "0755", rule: PLAIN });
  }
  return [...listed.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** One entry at its place on the installed system. */
export function installed(file: PackagedFile, entry: SourceEntry): InstalledFile {
  const path = placeOf(file, entry);
  return { path, kind: entry.kind, mode: modeOf(file, path, entry), rule: file };
}

/** A file whose place ends with a slash keeps its own name there. */
function placeOf({ path, content }: PackagedFile, { inside, kind }: SourceEntry): string {
  const place = path.replace(/\/+/g, "/").replace(/(?!^)\/$/, "");
  const isInto = inside === "" && kind !== "dir" && path.endsWith("/") && content.kind === "from";
  if (!isInto) return place + inside;
  return `${place}/${content.path.slice(content.path.lastIndexOf("/") + 1)}`;
}

function modeOf(file: PackagedFile, path: string, entry: SourceEntry): string | null {
  if (entry.kind === "link") return null;
  if (entry.kind === "dir") return file.content.kind === "dir" ? (file.mode ?? "0755") : "0755";
  if (file.mode !== null) return file.mode;
  return entry.isExecutable || /\/s?bin\/[^/]+$/.test(path) ? "0755" : "0644";
}

/** A folder of the package's own is one line, unless something in it has a rule of its own. */
function linesFor(
  found: readonly InstalledFile[],
  file: PackagedFile,
  { files }: FilesSource,
): readonly InstalledFile[] {
  if (file.content.kind !== "from" || found.length <= 1) return found;
  const others = files.filter((each) => each !== file).map(({ path }) => path);
  const isShared = (folder: string) =>
    isSystemFolder(folder) || others.some((other) => other.startsWith(`${folder}/`));
  const wholes = found.filter(
    ({ kind, path }) => kind === "dir" && file.mode === null && !isShared(path),
  );
  const top = wholes.filter((each) => !wholes.some((one) => each.path.startsWith(`${one.path}/`)));
  const isCovered = (path: string) =>
    top.some((one) => path === one.path || path.startsWith(`${one.path}/`));
  const rest = found.filter(({ kind, path }) => {
    return !isCovered(path) && (kind !== "dir" || !isSystemFolder(path));
  });
  return [...top.map((each) => ({ ...each, kind: "tree" as const, mode: null })), ...rest];
}

/** By itself, or as a part of a tree above it. */
function isListed(path: string, listed: ReadonlyMap<string, InstalledFile>): boolean {
  if (listed.has(path)) return true;
  const parts = path.split("/");
  return parts.some((_part, index) => {
    return index > 1 && listed.get(parts.slice(0, index).join("/"))?.kind === "tree";
  });
}
