import { connect } from "../api-client.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { findBuild } from "../find-build.ts";
import { triggerApi } from "../trigger-api.ts";

export const approve: Command = {
  name: "approve",
  usage: "<build>",
  summary: "Lets a stranger's pull request be built: this one commit of it.",
  examples: [
    ["tatara approve 12", "with the pipeline file of the base branch"],
    ["tatara approve 12 --with-its-file", "with its own; read it first"],
  ],
  options: {
    repo: REPO_OPTION,
    "with-its-file": { type: "boolean", help: "the pull request's own pipeline file counts" },
  },
  positionalsMax: 1,
  run: async (context) => {
    const [given] = context.positionals;
    if (given === undefined) {
      throw new CommandError(EXIT.usage, "Which build?", "tatara queue names those that wait");
    }
    const api = await connect(context.env, context.signal);
    const build = await findBuild(context, api, given);
    await triggerApi(api).approve(build.id, context.flag("with-its-file"));
    if (context.isJson) {
      context.printer.json({ id: build.id, number: build.number, result: "approved" });
    } else context.printer.answer(`${build.repo} #${build.number} may start   ${build.url}`);
    return EXIT.ok;
  },
};
