import { baseName, pathInRepo } from "../../../src/domain/repo-path.ts";

/** Finds the file of the commit that a runner means. */
export interface SourceTree {
  /** `hint`: a class or package, for runners that print names without folders. */
  find(written: string, hint: string): string | undefined;
}

export interface CommitFiles {
  has(path: string): boolean;
  files(): readonly string[];
}

const FOLDERS_MAX = 30;

/**
 * Looks for a path as it is written, below the step's folder or the workspace; else for the same end of
 * an absolute path (images that carry their sources); else for the one file of that name.
 */
export function sourceTree(commit: CommitFiles, folder: string): SourceTree {
  let byName: Map<string, string[]> | undefined;
  const namesakes = (name: string): readonly string[] => {
    byName ??= Map.groupBy(commit.files(), baseName);
    return byName.get(name) ?? [];
  };
  const has = (path: string): boolean => path !== "" && commit.has(path);
  const below = (path: string): string | undefined =>
    [`${folder}/${path}`, path]
      .flatMap((one) => pathInRepo(one.replace(/^\/+/, "")) ?? [])
      .find(has);

  return {
    find: (written, hint) => {
      const path = cleanPath(written);
      if (path === undefined) return undefined;
      const isFromRoot = /^(?:file:\/\/)?\/+workspace\//.test(written);
      const inRoot = isFromRoot ? [path].find(has) : undefined;
      const direct = inRoot ?? (path.startsWith("/") ? sameEnd(path, has) : below(path));
      return direct ?? closest(namesakes(baseName(path)), path, hint);
    },
  };
}

/** Where there is no commit to ask, a path counts if it can be one of the workspace. */
export const ANY_SOURCE: SourceTree = {
  find: (written) => {
    const path = cleanPath(written);
    return path === undefined ? undefined : pathInRepo(path);
  },
};

/** Without scheme, drive and the workspace's own folder. */
function cleanPath(written: string): string | undefined {
  const path = written
    .replace(/^file:\/\//, "")
    .replaceAll("\\", "/")
    .replace(/^\/+workspace\//, "");
  return path === "" || path.includes("://") ? undefined : path;
}

function sameEnd(path: string, has: (path: string) => boolean): string | undefined {
  const parts = path.split("/").filter(Boolean).slice(-FOLDERS_MAX);
  for (let from = 0; from < parts.length - 1; from += 1) {
    const end = parts.slice(from).join("/");
    if (has(end)) return end;
  }
  return undefined;
}

/** Of files with one name the one whose folders agree best with what else is known; none if two do. */
function closest(files: readonly string[], path: string, hint: string): string | undefined {
  if (files.length < 2) return files[0];
  const wanted = `${hint.replace(/[.:\\]+/g, "/")}/${path}`.split("/").filter(Boolean);
  const scored = files
    .slice(0, 1_000)
    .map((file) => ({ file, score: agreement(file, wanted) }))
    .toSorted((a, b) => b.score - a.score);
  const [best, second] = scored;
  return best !== undefined && best.score > (second?.score ?? 0) ? best.file : undefined;
}

/** How many folders of a file, from the last, are named in order before the file's name. */
function agreement(file: string, wanted: readonly string[]): number {
  const folders = file.split("/").slice(0, -1);
  let count = 0;
  let at = wanted.length - 1;
  for (const folder of folders.toReversed()) {
    const found = wanted.lastIndexOf(folder, at);
    if (found === -1) break;
    count += 1;
    at = found - 1;
  }
  return count;
}
