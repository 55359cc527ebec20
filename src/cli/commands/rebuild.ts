import { isFinal } from "../../domain/states.ts";
import { connect } from "../api-client.ts";
import type { ApiClient } from "../api-client.ts";
import type { ApiBuild } from "../api-types.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command, CommandContext } from "../command.ts";
import { CommandError, EXIT, exitOfState } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { findBuild } from "../find-build.ts";
import { followBuild } from "../follow-build.ts";
import { answerJson } from "../json-answer.ts";
import type { Printer } from "../print.ts";

export const rebuild: Command = {
  name: "rebuild",
  usage: "[build]",
  summary: "Makes a build's packages once more, from scratch, and publishes nothing.",
  examples: [
    ["tatara rebuild 12", "number 12 of this repo"],
    ["tatara rebuild 12 --compare", "wait, and say whether each package came out the same"],
  ],
  options: {
    repo: REPO_OPTION,
    compare: { type: "boolean", help: "wait for its end and show what differs" },
  },
  positionalsMax: 1,
  run: async (context) => {
    const api = await connect(context.env, context.signal);
    const build = await findBuild(context, api, context.positionals[0]);
    const response = await api.request(`/api/builds/${encodeURIComponent(build.id)}/rebuild`, {
      method: "POST",
    });
    const again = (await response.json()) as { id: string; number: number; url: string };
    if (!context.flag("compare")) {
      if (context.isJson) answerJson(context, again);
      else context.printer.answer(`${build.repo} #${again.number}   ${again.url}`);
      return EXIT.ok;
    }
    context.printer.progress(`${build.repo} #${again.number}   ${again.url}`);
    return await compare(context, api, again.id);
  },
};

/** The API's answer; docs/reference/api.md describes it. */
interface ApiComparison {
  readonly with: { readonly number: number };
  readonly result: "same" | "different" | "unfinished";
  readonly packages: readonly {
    readonly fileName: string;
    readonly target: string;
    readonly result: string;
    readonly differences: readonly { what: string; before: string; after: string }[];
  }[];
}

async function compare(context: CommandContext, api: ApiClient, id: string): Promise<ExitCode> {
  const last = await lastOf(context, api, id);
  if (last.state !== "passed") {
    const code = isFinal(last.state) ? exitOfState(last.state) : EXIT.unreachable;
    const message = `${last.repo} #${last.number} ended ${last.state}: there is nothing to compare.`;
    throw new CommandError(code, message, `tatara why ${last.repo}/${last.number} says why.`);
  }
  const path = `/api/builds/${encodeURIComponent(id)}/comparison`;
  const found = (await (await api.request(path)).json()) as ApiComparison;
  if (context.isJson) answerJson(context, found);
  else show(context.printer, found);
  return found.result === "same" ? EXIT.ok : EXIT.failed;
}

async function lastOf(context: CommandContext, api: ApiClient, id: string): Promise<ApiBuild> {
  const { printer, signal } = context;
  const onAway = (): void => printer.progress("The server does not answer; trying again.");
  let last = await api.build({ id });
  for await (const build of followBuild(last, { api, signal, onAway })) last = build;
  return last;
}

const SAID: Readonly<Record<string, string>> = {
  same: "same",
  different: "differs",
  missing: "not made again",
  new: "not made before",
  unknown: "differs; the older file is gone, so nobody can say in what",
};

function show(printer: Printer, found: ApiComparison): void {
  for (const { fileName, result, differences } of found.packages) {
    printer.answer(`${fileName}   ${SAID[result] ?? result}`);
    for (const { what, before, after } of differences) {
      printer.answer(`  ${what}`);
      printer.answer(`    - ${before}`);
      printer.answer(`    + ${after}`);
    }
  }
  const number = found.with.number;
  const verdict = found.result === "same" ? "The same, byte for byte, as" : "Not the same as";
  printer.answer(`${verdict} #${number}.`);
}
