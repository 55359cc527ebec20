import { basename } from "node:path/posix";
import type { Readable } from "node:stream";
import type { Container } from "../engine.ts";
import type { Commit } from "../source/commit.ts";
import { firstFile } from "./archive-files.ts";

const TEXT_BYTES_MAX = 2 * 1024 ** 2;

/** A file or folder as a tar stream, whose names begin with `prefix`. */
export interface OpenedPath {
  readonly tar: Readable;
  readonly prefix: string;
}

/** Where a package's files come from: the commit, or the workspace after `run`. */
export interface SourceTree {
  /** Undefined when there is nothing at this path. */
  open(path: string, signal: AbortSignal): Promise<OpenedPath | undefined>;
  readText(path: string, signal: AbortSignal): Promise<string | undefined>;
  /** The files that lie in a folder itself, "" for the root. */
  openBeside(folder: string, signal: AbortSignal): Promise<OpenedPath | undefined>;
}

/** Above this many, the whole tree is read and the rest left out. */
const BESIDE_PATHS_MAX = 1_000;

export function commitTree(commit: Commit): SourceTree {
  const isFolder = (path: string) => commit.files().some((file) => file.startsWith(`${path}/`));
  return {
    open: async (path, signal) => {
      if (!commit.has(path) && !isFolder(path)) return undefined;
      return { tar: commit.openTree(signal, [path]), prefix: path };
    },
    readText: async (path, signal) => {
      if (!commit.has(path)) return undefined;
      return (await commit.readFile(path, signal)).toString();
    },
    openBeside: async (folder, signal) => {
      const start = folder === "" ? "" : `${folder}/`;
      const paths = commit.files().filter((path) => {
        return path.startsWith(start) && !path.slice(start.length).includes("/");
      });
      const few = paths.length > BESIDE_PATHS_MAX ? [] : paths;
      return { tar: commit.openTree(signal, few), prefix: folder };
    },
  };
}

/** The workspace of a container that has ended. */
export function workspaceTree(container: Container, folder: string): SourceTree {
  const open: SourceTree["open"] = async (path, signal) => {
    const tar = await container.getArchive(path === "" ? folder : `${folder}/${path}`, signal);
    const prefix = basename(path === "" ? folder : path);
    return tar === undefined ? undefined : { tar: tar as Readable, prefix };
  };
  return {
    open,
    readText: async (path, signal) => {
      const found = await open(path, signal);
      if (found === undefined) return undefined;
      return (await firstFile(found.tar, TEXT_BYTES_MAX))?.toString();
    },
    openBeside: open,
  };
}
