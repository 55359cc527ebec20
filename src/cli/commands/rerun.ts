import { connect } from "../api-client.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { findBuild } from "../find-build.ts";
import { answerJson } from "../json-answer.ts";

export const rerun: Command = {
  name: "rerun",
  usage: "[build]",
  summary: "Builds the same commit once more, as a new build.",
  examples: [
    ["tatara rerun && tatara watch", "the newest build of this branch, again"],
    ["tatara rerun 12", "number 12 of this repo"],
    ["tatara rerun 12 --fresh", "from scratch, to see whether a cache is to blame"],
  ],
  options: {
    repo: REPO_OPTION,
    fresh: { type: "boolean", help: "use nothing that earlier builds left: no layers, no caches" },
  },
  positionalsMax: 1,
  run: async (context) => {
    const api = await connect(context.env, context.signal);
    const build = await findBuild(context, api, context.positionals[0]);
    const again = await api.rerun(build.id, { isFresh: context.flag("fresh") });

    if (context.isJson) answerJson(context, again);
    else context.printer.answer(`${build.repo} #${again.number}   ${again.url}`);
    return EXIT.ok;
  },
};
