import { isFinal } from "../../domain/states.ts";
import { connect } from "../api-client.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { findBuild } from "../find-build.ts";
import { answerJson } from "../json-answer.ts";
import { failureLines, headerLine } from "../show-build.ts";

export const why: Command = {
  name: "why",
  usage: "[build]",
  summary: "Why a build failed: the line to blame, the evidence, what to do.",
  examples: [
    ["tatara why", "the newest build of this branch"],
    ["tatara why acme/hello/12", "number 12 of acme/hello"],
    ["tatara why --json=file,line", "the place to blame, for an editor"],
  ],
  options: { repo: REPO_OPTION },
  positionalsMax: 1,
  run: async (context) => {
    const { printer, positionals } = context;
    const api = await connect(context.env, context.signal);
    const build = await findBuild(context, api, positionals[0]);

    if (context.isJson) {
      if (build.failure === null) printer.json(null);
      else answerJson(context, build.failure);
      return EXIT.ok;
    }
    printer.answer(...headerLine(build));
    if (build.failure !== null) {
      for (const line of failureLines(build.failure)) printer.answer(...line);
      printer.progress(`log: tatara log ${build.repo}/${build.number} ${build.failure.step ?? ""}`);
    } else {
      const reason = build.reason === null ? "" : `: ${build.reason}`;
      printer.answer(`${build.state}${reason}`);
      if (!isFinal(build.state)) printer.progress("It has not ended: tatara watch follows it.");
    }
    return EXIT.ok;
  },
};
