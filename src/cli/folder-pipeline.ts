import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PIPELINE_FILE } from "../domain/pipeline.ts";
import type { CommitTree, ServerNames } from "../domain/pipeline.ts";
import type { PipelineReading } from "../shared/pipeline-file.ts";
import { CommandError, EXIT } from "./exit-codes.ts";
import { readWorkTree } from "./git-folder.ts";

/** The folder as a commit of it would be, and what its pipeline file says. */
export interface FolderPipeline {
  readonly root: string;
  readonly tree: CommitTree;
  /** Undefined where there is none. */
  readonly file: Buffer | undefined;
  readonly reading: PipelineReading;
}

/**
 * The same reading as a worker's, on the work tree as it is now. `askNames` is waited for; without an
 * answer nothing is compared with a server.
 */
export async function readFolderPipeline(
  cwd: string,
  askNames?: () => Promise<ServerNames | undefined>,
): Promise<FolderPipeline> {
  // The parser is loaded while git works: each takes half of the time that a check may take.
  const [folder, { readPipeline }, names] = await Promise.all([
    readWorkTree(cwd),
    import("../shared/pipeline-file.ts"),
    askNames?.(),
  ]);
  if (folder === undefined) {
    const message = "This is no git repository: there is no pipeline file to read here.";
    throw new CommandError(EXIT.usage, message, "git init, or go to the folder of a repository");
  }
  const { root, files, shortSha, tags } = folder;
  const known = new Set(files);
  const contentOf = (path: string): Buffer | undefined => {
    if (!known.has(path)) return undefined;
    try {
      return readFileSync(join(root, path));
    } catch {
      return undefined; // Tracked, and removed since then.
    }
  };
  const tree: CommitTree = {
    has: (path) => known.has(path),
    files: () => files,
    shortSha,
    tags,
    read: (path) => contentOf(path)?.toString(),
  };
  const file = contentOf(PIPELINE_FILE);
  return { root, tree, file, reading: readPipeline(file, tree, names) };
}
