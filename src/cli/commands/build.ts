import { isSha } from "../../domain/push.ts";
import { connect } from "../api-client.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import { PARAM_OPTION, paramsOf } from "../param-option.ts";
import { triggerApi } from "../trigger-api.ts";
import { wantedRepo } from "../wanted-repo.ts";

export const build: Command = {
  name: "build",
  usage: "[ref]",
  summary: "Builds a branch, tag or commit now, whatever `when` says.",
  examples: [
    ["tatara build", "the newest commit of the default branch"],
    ["tatara build v1.4.0", "a tag; or a branch, or a whole ref"],
    ["tatara build --param MODE=full", "with $MODE in the environment of every step"],
    ["tatara build main --sha 3f2a9c1…", "an older commit of main, by its whole id"],
    ["tatara build --fresh", "with no layers and caches of earlier builds"],
  ],
  options: {
    repo: REPO_OPTION,
    sha: { type: "string", value: "commit", help: "a commit of the ref, by its whole id" },
    param: PARAM_OPTION,
    fresh: { type: "boolean", help: "use nothing that earlier builds left" },
  },
  positionalsMax: 1,
  run: async (context) => {
    const [given] = context.positionals;
    const params = paramsOf(context.texts("param"));
    const repo = await wantedRepo(context);
    const isCommit = given !== undefined && isSha(given);
    const sha = isCommit ? given : context.text("sha");
    const ref = isCommit ? undefined : given;
    const api = triggerApi(await connect(context.env, context.signal));
    const made = await api.build(repo, { ref, sha, params, fresh: context.flag("fresh") });
    if (context.isJson) answerJson(context, made);
    else context.printer.answer(`${repo} #${made.number}   ${made.url}`);
    return EXIT.ok;
  },
};
