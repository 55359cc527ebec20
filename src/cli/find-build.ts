import { isRepoName } from "../domain/push.ts";
import type { ApiClient, BuildName } from "./api-client.ts";
import type { ApiBuild } from "./api-types.ts";
import type { CommandContext } from "./command.ts";
import { CommandError, EXIT } from "./exit-codes.ts";
import { readGitFolder } from "./git-folder.ts";

const LOOK_BACK_MAX = 200;

/** The build that the person means: the one named, else the newest of the current branch. */
export async function findBuild(
  context: CommandContext,
  api: ApiClient,
  given: string | undefined,
): Promise<ApiBuild> {
  const { repo, branch } = await readGitFolder(context.cwd);
  const known = context.text("repo") ?? repo;
  if (given !== undefined) return api.build(parseBuildName(given, known));
  if (known === undefined) {
    throw new CommandError(
      EXIT.usage,
      "Which build? This folder belongs to no git repository with a remote.",
      "name it: owner/name/12, or an id from `tatara builds`",
    );
  }
  const builds = await api.builds({ repo: known, limit: LOOK_BACK_MAX });
  const newest = builds.find(({ ref }) => branch === undefined || ref === `refs/heads/${branch}`);
  if (newest !== undefined) return api.build({ id: newest.id });
  const where = branch === undefined ? known : `branch ${branch} of ${known}`;
  throw new CommandError(
    EXIT.notFound,
    `There is no build of ${where} yet.`,
    "git push, then try again",
  );
}

/** `12`, `#12`, `owner/name/12`, `owner/name#12`, the address of its page, or an id. */
export function parseBuildName(given: string, repo: string | undefined): BuildName {
  const number = /^#?([1-9]\d{0,8})$/.exec(given)?.[1];
  if (number !== undefined) {
    if (repo !== undefined) return { repo, number: Number(number) };
    throw new CommandError(
      EXIT.usage,
      `Build ${number} of which repo? This folder belongs to no git repository with a remote.`,
      `owner/name/${number}, or --repo owner/name`,
    );
  }
  const whole = /^(?:https?:\/\/[^/]+\/repos\/)?([^/#]+\/[^/#]+)[/#]([1-9]\d{0,8})\/?$/.exec(given);
  if (whole?.[1] !== undefined && isRepoName(whole[1])) {
    return { repo: whole[1], number: Number(whole[2]) };
  }
  if (/^(?=.*[a-z])[a-z0-9][a-z0-9-]{0,63}$/.test(given)) return { id: given };
  throw new CommandError(
    EXIT.usage,
    `${given} names no build.`,
    "12, owner/name/12 or an id are expected",
  );
}
