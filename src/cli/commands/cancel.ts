import { connect } from "../api-client.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { findBuild } from "../find-build.ts";

export const cancel: Command = {
  name: "cancel",
  usage: "[build]",
  summary: "Ends a build; its containers are removed.",
  examples: [
    ["tatara cancel", "the newest build of this branch"],
    ["tatara cancel 12", "number 12 of this repo"],
  ],
  options: { repo: REPO_OPTION },
  positionalsMax: 1,
  run: async (context) => {
    const api = await connect(context.env, context.signal);
    const build = await findBuild(context, api, context.positionals[0]);
    const result = await api.cancel(build.id);

    if (context.isJson) context.printer.json({ id: build.id, number: build.number, result });
    else {
      const what = result === "cancelled" ? "cancelled" : "is being cancelled";
      context.printer.answer(`${build.repo} #${build.number} ${what}   ${build.url}`);
    }
    return EXIT.ok;
  },
};
