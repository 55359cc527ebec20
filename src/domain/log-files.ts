import type { CommitTree } from "./pipeline.ts";
import { baseName, pathInRepo } from "./repo-path.ts";

/** Finds the file of the commit that a log means by a path. */
export interface LogFiles {
  /** As it stands in the commit, seen from the workspace or from rpmbuild's folder. */
  exactly(written: string): string | undefined;
  /** The only file that has this name without its folder. */
  byName(written: string): string | undefined;
  /** Exactly, or else the only file whose path ends so. */
  any(written: string): string | undefined;
  /** The only file with this extension. */
  only(extension: string): string | undefined;
}

/** rpmbuild unpacks the sources there, in one folder or, since rpm 4.20, in two. */
const BUILD_FOLDER = /(?:^|\/)BUILD\/[^/]+\//;

export function logFiles(tree: Pick<CommitTree, "has" | "files">): LogFiles {
  let named: Map<string, string[]> | undefined;
  const sameName = (path: string): readonly string[] => {
    named ??= byBaseName(tree.files());
    return named.get(baseName(path)) ?? [];
  };
  const exactly = (written: string): string | undefined =>
    candidates(written).find((path) => tree.has(path));
  const byName = (written: string): string | undefined => {
    if (written.includes("/") || !written.includes(".")) return undefined;
    const found = sameName(written);
    return found.length === 1 ? found[0] : undefined;
  };
  return {
    exactly,
    byName,
    any: (written) => exactly(written) ?? byName(written) ?? byEnding(written, sameName),
    only: (extension) => {
      const found = tree.files().filter((path) => path.endsWith(extension));
      return found.length === 1 ? found[0] : undefined;
    },
  };
}

function candidates(written: string): readonly string[] {
  const build = BUILD_FOLDER.exec(written);
  const inside = build ? written.slice(build.index + build[0].length) : undefined;
  return [
    written.replace(/^\/+workspace\//, ""),
    ...(inside === undefined ? [] : [inside, inside.replace(/^[^/]*\//, "")]),
  ].flatMap((path) => pathInRepo(path) ?? []);
}

/** A path seen from a folder inside the repo: `../src/a.c` from `build`, `src/a.c` from `lib`. */
function byEnding(
  written: string,
  sameName: (path: string) => readonly string[],
): string | undefined {
  if (written.startsWith("/")) return undefined;
  const path = pathInRepo(written.replace(/^(?:\.\.\/)+/, ""));
  if (path === undefined || !path.includes("/")) return undefined;
  const found = sameName(path).filter((file) => file === path || file.endsWith(`/${path}`));
  return found.length === 1 ? found[0] : undefined;
}

function byBaseName(files: readonly string[]): Map<string, string[]> {
  const named = new Map<string, string[]>();
  for (const path of files) {
    const name = baseName(path);
    const same = named.get(name);
    if (same === undefined) named.set(name, [path]);
    else same.push(path);
  }
  return named;
}
