import { isRepoName } from "../../domain/push.ts";
import { connect } from "../api-client.ts";
import { channelApi } from "../channel-api.ts";
import type { Command } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";

export const name: Command = {
  name: "name",
  usage: "<package> --to <owner/name>",
  summary: "Gives a package's name to another repo.",
  examples: [["tatara name hello --to acme/other", "only acme/other publishes hello from now on"]],
  options: { to: { type: "string", value: "owner/name", help: "whose it is from now on" } },
  positionalsMax: 1,
  run: async (context) => {
    const [packageName] = context.positionals;
    const repo = context.text("to") ?? "";
    if (packageName === undefined || !isRepoName(repo)) {
      const hint = "tatara name hello --to acme/other";
      throw new CommandError(EXIT.usage, "Which name, and to which repo?", hint);
    }
    const api = channelApi(await connect(context.env, context.signal));
    await api.giveName(packageName, repo);
    if (context.isJson) answerJson(context, { name: packageName, repo });
    else context.printer.answer(`${packageName} belongs to ${repo}`);
    return EXIT.ok;
  },
};
