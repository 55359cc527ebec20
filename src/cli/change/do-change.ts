import type { ChangePlan, ChangeResult } from "../../shared/channel-changes.ts";
import type { ChangeWish, ChannelApi } from "../channel-api.ts";
import type { CommandContext, CommandOption } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import type { Line } from "../print.ts";
import type { Named } from "../suggest.ts";
import { withSuggestions } from "../suggest.ts";
import { awaitChange, exitOfChange } from "./await-change.ts";
import { planLines } from "./plan-lines.ts";

/** What every command that changes a channel understands. */
export const CHANGE_OPTIONS = {
  "dry-run": { type: "boolean", help: "show the plan and change nothing" },
  yes: { type: "boolean", short: "y", help: "without a question" },
  note: { type: "string", value: "text", help: "why, for the history" },
} as const satisfies Record<string, CommandOption>;

export interface ChangeAsked {
  readonly wish: ChangeWish;
  readonly named: Named;
  /** What is said once it is live. */
  readonly done: (result: ChangeResult, plan: ChangePlan) => readonly Line[];
}

/** Plan, question, change, report. A plan that is refused is status 1, and nothing has changed. */
export async function doChange(
  context: CommandContext,
  api: ChannelApi,
  { wish, named, done }: ChangeAsked,
): Promise<ExitCode> {
  const plan = await withSuggestions(api, named, () => api.plan(wish));
  if (!context.isJson) await show(context, api, plan);
  const isRefused = plan.problems.length > 0 && wish.kind === "promote" && wish.force !== true;
  if (isRefused && !context.isJson) {
    context.printer.complain("Refused: it would not install. --force does it all the same.");
  }
  if (isRefused || context.flag("dry-run")) {
    if (context.isJson) answerJson(context, { ...plan, result: null });
    return isRefused ? EXIT.failed : EXIT.ok;
  }

  await confirm(context, plan.confirm, namesOf(plan));
  const result = await awaitChange(context, api, await begin(context, api, wish, plan));
  if (context.isJson) answerJson(context, { ...plan, result });
  else tell(context, result, done(result, plan));
  return exitOfChange(result);
}

async function show({ printer }: CommandContext, api: ChannelApi, plan: ChangePlan): Promise<void> {
  const names = new Set(plan.channels.map(({ name }) => name));
  const channels = (await api.channels()).filter(({ name }) => names.has(name));
  const isChecked = channels.every(({ settings }) => settings["requires"] !== "ignore");
  for (const line of planLines(plan, isChecked)) printer.answer(...line);
}

/** The server holds its answer for a while; whoever stops waiting is told that the change may go on. */
async function begin(
  { printer, signal }: CommandContext,
  api: ChannelApi,
  wish: ChangeWish,
  { channels }: ChangePlan,
): Promise<ChangeResult> {
  try {
    return await api.apply(wish);
  } catch (err) {
    const [channel] = channels;
    if (signal.aborted && channel !== undefined) {
      printer.complain(`The change may go on: tatara channel show ${channel.name}`);
    }
    throw err;
  }
}

/** Goes on only if the person types `word`, or said `--yes`; null asks nothing. */
export async function confirm(
  { flag, ask, signal }: CommandContext,
  word: string | null,
  about: string,
): Promise<void> {
  if (word === null || flag("yes")) return;
  if (ask === undefined) {
    const message = `Nothing was done: ${about} needs a confirmation.`;
    throw new CommandError(EXIT.usage, message, "--yes");
  }
  if ((await ask(`Type ${word} to do it: `, signal)) === word) return;
  throw new CommandError(EXIT.failed, "Nothing was done.");
}

function namesOf({ channels }: ChangePlan): string {
  return channels.map(({ name }) => name).join(", ") || "this";
}

function tell({ printer }: CommandContext, result: ChangeResult, done: readonly Line[]): void {
  const { publishId, state, reason, report } = result;
  if (state !== "live") {
    printer.complain({ ink: "red", text: state }, `: ${reason ?? "no reason was given"}`);
    return;
  }
  // Without a publish, its report is the plan's title again.
  if (publishId !== null) for (const line of report) printer.progress(`  ${line}`);
  const lines = publishId === null && done.length === 0 ? [["nothing to do"]] : done;
  for (const line of lines) printer.answer(...line);
}

/** `generation 88`, `stable 88, testing 12`. */
export function generationsSaid({ generations }: ChangeResult): string {
  const [only, ...others] = generations;
  if (only === undefined) return "no channel changed";
  if (others.length === 0) return `generation ${only.number}`;
  return `generations ${generations.map(({ channel, number }) => `${channel} ${number}`).join(", ")}`;
}

/** `undo: tatara undo stable@88`; nothing for a first generation, before which there is none. */
export function undoSaid({ generations }: ChangeResult): string {
  const later = generations.filter(({ number }) => number > 1);
  const typed = later.map(({ channel, number }) => `tatara undo ${channel}@${number}`);
  return typed.length === 0 ? "" : `   undo: ${typed.join("; ")}`;
}
