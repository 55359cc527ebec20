import type { Pack } from "tar-stream";
import { UserFault } from "../../../src/domain/faults.ts";
import { installed, installedFiles } from "../../../src/domain/installed-files.ts";
import type { SourceEntry } from "../../../src/domain/installed-files.ts";
import type { FilesSource, PackagedFile } from "../../../src/domain/pipeline.ts";
import { sysusersPath } from "../../../src/domain/spec-file.ts";
import type { InstalledFile } from "../../../src/domain/spec-file.ts";
import { sysusersFile } from "../../../src/domain/spec-scriptlets.ts";
import { appendTree } from "../source/tree-tar.ts";
import type { SourceTree } from "./source-tree.ts";

const INSTALLED_MAX = 200_000;

export interface RootOptions {
  readonly tree: SourceTree;
  /** Folder of the tar that stands for `/`, without a slash at its end. */
  readonly folder: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Puts everything that a package without a spec installs into a tar, and returns what a spec must
 * list. Throws the `UserFault` "FILE_MISSING" with all that is not there.
 */
export async function appendRoot(
  tar: Pack,
  source: FilesSource,
  options: RootOptions,
  signal: AbortSignal,
): Promise<readonly InstalledFile[]> {
  const { folder, uid, gid } = options;
  const entries = new Map<PackagedFile, readonly SourceEntry[]>();
  const missing: string[] = [];
  let count = 0;
  for (const file of source.files) {
    const found = await appendOne(tar, file, options, signal);
    if (found === undefined && file.content.kind === "from") missing.push(file.content.path);
    entries.set(file, found ?? []);
    count += found?.length ?? 0;
    if (count > INSTALLED_MAX) throw tooMany();
  }
  if (missing.length > 0) throw notThere(missing);
  if (source.users.length > 0) {
    const name = folder + sysusersPath(source);
    tar.entry({ name, mode: 0o644, uid, gid }, sysusersFile(source.users));
  }
  return installedFiles(source, (file) => entries.get(file) ?? []);
}

async function appendOne(
  tar: Pack,
  file: PackagedFile,
  { tree, folder, uid, gid }: RootOptions,
  signal: AbortSignal,
): Promise<readonly SourceEntry[] | undefined> {
  const { content } = file;
  if (content.kind !== "from") {
    const entry = { inside: "", kind: content.kind, isExecutable: false } as const;
    const name = folder + installed(file, entry).path;
    if (content.kind === "dir") tar.entry({ name, type: "directory", mode: 0o755, uid, gid });
    else tar.entry({ name, type: "symlink", linkname: content.target, uid, gid });
    return [entry];
  }
  const opened = await tree.open(content.path, signal);
  if (opened === undefined) return undefined;
  const found: SourceEntry[] = [];
  await appendTree(tar, opened.tar, {
    uid,
    gid,
    rename: (name, type, mode) => {
      const inside = insideOf(name, opened.prefix);
      if (inside === undefined) return undefined;
      const entry = { inside, kind: KINDS[type], isExecutable: (mode & 0o111) !== 0 };
      found.push(entry);
      return folder + installed(file, entry).path;
    },
    mode: (_name, _type, mode) => {
      const last = found.at(-1);
      const octal = last === undefined ? null : installed(file, last).mode;
      return octal === null ? mode : Number.parseInt(octal, 8);
    },
  });
  return found;
}

const KINDS = { file: "file", directory: "dir", symlink: "link" } as const;

/** "" for the path itself; undefined for what is not below it. */
function insideOf(name: string, prefix: string): string | undefined {
  if (name === prefix) return "";
  return name.startsWith(`${prefix}/`) ? name.slice(prefix.length) : undefined;
}

function notThere(paths: readonly string[]): UserFault {
  const listed = [...new Set(paths)].slice(0, 5).join(", ");
  return new UserFault("FILE_MISSING", `package.files names what is not there: ${listed}`, {
    hint: "Correct the path, or let `package.run` make the file.",
    file: ".tatara.yml",
  });
}

function tooMany(): UserFault {
  return new UserFault("PACKAGE_LIMIT", `The package has more than ${INSTALLED_MAX} files.`, {
    hint: "Pack what belongs together into one file.",
  });
}
