import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { CommandContext } from "./command.ts";
import { CommandError, EXIT } from "./exit-codes.ts";

/** The folder that was named, else the current one. */
export async function folderGiven({ positionals, cwd }: CommandContext): Promise<string> {
  const [given] = positionals;
  if (given === undefined) return cwd;
  const folder = resolve(cwd, given);
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new CommandError(EXIT.usage, `${given} is no folder.`);
  return folder;
}
