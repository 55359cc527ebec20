import { connect } from "../api-client.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import { triggerApi } from "../trigger-api.ts";
import { wantedRepo } from "../wanted-repo.ts";

export const cache: Command = {
  name: "cache",
  usage: "clear",
  summary: "Empties a repo's caches: no later build finds what was saved until now.",
  examples: [
    ["tatara cache clear", "of the repo of the current folder"],
    ["tatara cache clear --repo acme/hello", "of another one"],
  ],
  options: { repo: REPO_OPTION },
  positionalsMax: 1,
  run: async (context) => {
    if (context.positionals[0] !== "clear") {
      throw new CommandError(EXIT.usage, "What about the cache?", "tatara cache clear");
    }
    const repo = await wantedRepo(context);
    const answer = await triggerApi(await connect(context.env, context.signal)).clearCaches(repo);
    if (context.isJson) answerJson(context, { repo, cacheEpoch: answer.cacheEpoch });
    else context.printer.answer(`${repo}: the caches are empty`);
    return EXIT.ok;
  },
};
