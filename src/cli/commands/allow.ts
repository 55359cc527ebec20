import { nearSpelling } from "../../domain/near-spelling.ts";
import { isRepoName } from "../../domain/push.ts";
import { allowanceRequest } from "../../shared/channel-requests.ts";
import { connect } from "../api-client.ts";
import { channelApi } from "../channel-api.ts";
import type { Command } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";

const RULES = allowanceRequest.shape.rule.options;

export const allow: Command = {
  name: "allow",
  usage: "<owner/name> <rule> <subject>",
  summary: "Lifts a rule for a repo: a name, an older version, a raised epoch.",
  examples: [
    ["tatara allow acme/fork name hello", "may publish hello, although it is another's"],
    ["tatara allow acme/fork provides hello", "may provide this name; also: obsoletes"],
    ["tatara allow acme/hello older hello", "may publish versions lower than the newest"],
    ["tatara allow acme/hello epoch hello --take-back", "may not raise the epoch any more"],
  ],
  options: { "take-back": { type: "boolean", help: "the rule holds again" } },
  positionalsMax: 3,
  run: async (context) => {
    const [repo = "", given = "", subject = ""] = context.positionals;
    if (!isRepoName(repo) || given === "" || subject === "") {
      const message = "Which repo may what?";
      throw new CommandError(EXIT.usage, message, "tatara allow acme/fork name hello");
    }
    const rule = RULES.find((known) => known === given);
    if (rule === undefined) {
      const near = nearSpelling(given, RULES);
      const hint = near === undefined ? `rules: ${RULES.join(", ")}` : `did you mean ${near}?`;
      throw new CommandError(EXIT.usage, `There is no rule ${given}.`, hint);
    }
    const api = channelApi(await connect(context.env, context.signal));
    const isAllowed = !context.flag("take-back");
    await api.allow({ repo, rule, subject, isAllowed });
    if (context.isJson) answerJson(context, { repo, rule, subject, isAllowed });
    else
      context.printer.answer(
        `${repo}: ${rule} ${subject} is ${isAllowed ? "" : "no longer "}allowed`,
      );
    return EXIT.ok;
  },
};
