import { connect } from "../api-client.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command } from "../command.ts";
import { findBuild } from "../find-build.ts";
import { watchBuild } from "../watch-build.ts";

export const watch: Command = {
  name: "watch",
  usage: "[build]",
  summary: "Follows a build to its end; the exit status is its verdict.",
  examples: [
    ["git push && tatara watch", "the build of what was just pushed"],
    ["tatara watch 12 --timeout 10m", "number 12 of this repo, for ten minutes at most"],
    ["tatara watch acme/hello/12 --json", "one line of JSON per change"],
  ],
  options: { repo: REPO_OPTION },
  positionalsMax: 1,
  run: async (context) => {
    const api = await connect(context.env, context.signal);
    const first = await findBuild(context, api, context.positionals[0]);
    return await watchBuild(context, first, api);
  },
};
