import { isFinal } from "../domain/states.ts";
import type { ApiClient } from "./api-client.ts";
import type { ApiBuild } from "./api-types.ts";
import { Interrupted } from "./command.ts";
import type { CommandContext } from "./command.ts";
import { exitOfState, EXIT } from "./exit-codes.ts";
import type { ExitCode } from "./exit-codes.ts";
import { followBuild } from "./follow-build.ts";
import { answerJson } from "./json-answer.ts";
import type { Printer } from "./print.ts";
import { failureLines, formatMs, headerLine } from "./show-build.ts";
import { stepPrinter } from "./step-printer.ts";

/** Shows a build until its end; the exit status is its verdict. Interrupted, it says that the build goes on. */
export async function watchBuild(
  context: CommandContext,
  first: ApiBuild,
  api: ApiClient,
): Promise<ExitCode> {
  try {
    return await follow(context, first, api);
  } catch (err) {
    if (err instanceof Interrupted) sayThatItGoesOn(context.printer, first);
    throw err;
  }
}

async function follow(context: CommandContext, first: ApiBuild, api: ApiClient): Promise<ExitCode> {
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
  // The card has said it already.
  const isSaid = build.reason === null || build.failure !== null;
  const why = isSaid ? "" : ` (${build.reason})`;
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
