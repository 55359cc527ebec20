import { randomBytes } from "node:crypto";
import { tryRef } from "../../domain/push.ts";
import { apiClient, readAccess } from "../api-client.ts";
import type { ApiClient } from "../api-client.ts";
import type { ApiBuild } from "../api-types.ts";
import type { Command } from "../command.ts";
import { REPO_OPTION } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import { pushTry } from "../local/push-try.ts";
import { runFolder } from "../local/run-folder.ts";
import { commitWorkTree } from "../local/work-tree-commit.ts";
import { wantedRepo } from "../wanted-repo.ts";
import { watchBuild } from "../watch-build.ts";

const STEPS_MAX = 50;
const LOOKED_AT_MAX = 50;

export const tryCommand: Command = {
  name: "try",
  usage: "[step...]",
  summary: "Builds the files as they are now on a real worker, and never publishes.",
  examples: [
    ["tatara try", "the working tree, new files included, without a commit"],
    ["tatara try unit package", "only these steps and what they need"],
    ["tatara try --no-watch", "without waiting for its end"],
  ],
  options: {
    repo: REPO_OPTION,
    fresh: { type: "boolean", help: "use nothing that earlier builds left" },
    "no-watch": { type: "boolean", help: "say which build it is, and do not wait for it" },
  },
  positionalsMax: STEPS_MAX,
  run: async (context) => {
    const { cwd, env, signal, positionals: steps, printer } = context;
    const repo = await wantedRepo(context);
    const access = await readAccess(env);
    const ref = tryRef(randomBytes(10).toString("hex"));
    {
      await using folder = await runFolder();
      const commit = await commitWorkTree(cwd, folder.path, { env, signal });
      const isFresh = context.flag("fresh");
      printer.progress(`sending ${commit.subject}`);
      await pushTry({ ...access, ...commit, repo, ref, steps, isFresh }, { env, signal });
    }
    const api = apiClient({ ...access, signal });
    const build = await findTry(api, repo, ref);
    if (!context.flag("no-watch")) return await watchBuild(context, build, api);
    if (context.isJson) answerJson(context, build);
    else printer.answer(`${repo} #${build.number}   ${build.url}`);
    return EXIT.ok;
  },
};

async function findTry(api: ApiClient, repo: string, ref: string): Promise<ApiBuild> {
  const builds = await api.builds({ repo, limit: LOOKED_AT_MAX });
  const found = builds.find((build) => build.ref === ref);
  if (found !== undefined) return await api.build({ id: found.id });
  throw new CommandError(EXIT.errored, `${api.url} took the files and made no build of them.`);
}
