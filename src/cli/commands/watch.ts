import { isFinal } from "../../domain/states.ts";
import { connect } from "../api-client.ts";
import type { ApiBuild } from "../api-types.ts";
import { Interrupted, REPO_OPTION } from "../command.ts";
import type { Command, CommandContext } from "../command.ts";
import { exitOfState, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { findBuild } from "../find-build.ts";
import { followBuild } from "../follow-build.ts";
import { answerJson } from "../json-answer.ts";
import type { Printer } from "../print.ts";
import { failureLines, formatMs, headerLine } from "../show-build.ts";
import { stepPrinter } from "../step-printer.ts";

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
    try {
      return await follow(context, first, api);
    } catch (err) {
      if (err instanceof Interrupted) sayThatItGoesOn(context.printer, first);
      throw err;
    }
  },
};

async function follow(
  context: CommandContext,
  first: ApiBuild,
  api: Awaited<ReturnType<typeof connect>>,
): Promise<ExitCode> {
  const { printer, signal, isJson, now } = context;
  const steps = isJson ? undefined : stepPrinter({ printer, now });
  const onAway = (): void => printer.progress("The server does not answer; trying again.");
  if (!isJson) printer.answer(...headerLine(first));
  let last = first;
  try {
    for await (const build of followBuild(first, { api, signal, onAway })) {
      last = build;
      if (isJson) answerJson(context, build);
      steps?.show(build);
    }
  } finally {
    steps?.end();
  }
  if (!isJson) showEnd(printer, last);
  return isFinal(last.state) ? exitOfState(last.state) : EXIT.unreachable;
}

/** What failed comes last and open; one verdict, one sentence. */
function showEnd(printer: Printer, build: ApiBuild): void {
  if (build.failure !== null) {
    printer.answer();
    for (const line of failureLines(build.failure)) printer.answer(...line);
  }
  const { totalMs } = build.timings;
  const time = totalMs === null ? "" : ` in ${formatMs(totalMs)}`;
  const why = build.reason === null ? "" : ` (${build.reason})`;
  printer.answer();
  printer.answer(`${build.state}${time}${why}   ${build.url}`);
  if (build.state === "failed") {
    const name = `${build.repo}/${build.number}`;
    printer.progress(`next: tatara log ${name} ${build.failure?.step ?? ""}`.trimEnd());
  }
}

function sayThatItGoesOn(printer: Printer, build: ApiBuild): void {
  printer.complain(`still running: tatara watch ${build.repo}/${build.number}`);
}
