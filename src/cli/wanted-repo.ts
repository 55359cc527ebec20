import { isRepoName } from "../domain/push.ts";
import type { CommandContext } from "./command.ts";
import { CommandError, EXIT } from "./exit-codes.ts";
import { readGitFolder } from "./git-folder.ts";

/** The repo that `--repo` names, or that of the current folder. */
export async function wantedRepo(context: CommandContext): Promise<string> {
  const repo = context.text("repo") ?? (await readGitFolder(context.cwd)).repo;
  if (repo === undefined) {
    const message = "Which repo? This folder belongs to no git repository with a remote.";
    throw new CommandError(EXIT.usage, message, "--repo owner/name");
  }
  if (isRepoName(repo)) return repo;
  throw new CommandError(EXIT.usage, `${repo} is no repo.`, "owner/name is expected");
}
