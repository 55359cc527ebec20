import { awaitChange, beginning, exitOfChange } from "../change/await-change.ts";
import { confirm } from "../change/do-change.ts";
import type { CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import type { Line } from "../print.ts";
import type { ChannelApi } from "../channel-api.ts";
import type { ChannelAction } from "./channel-action.ts";
import { daysOf } from "./channel-action.ts";
import { parseChannelAt } from "./channel-at.ts";
import { parseSettings } from "./setting-words.ts";

export const addChannel: ChannelAction = {
  usage: "add <channel> [--parent dev] [--expire-days 14] [key=value …]",
  restMax: 20,
  run: async ({ context, api, name, rest }) => {
    const days = context.text("expire-days");
    const { settings, expireDays } = parseSettings(rest);
    const parent = context.text("parent") ?? null;
    const { publishId } = await api.add({
      name,
      parent,
      expireDays: days === undefined ? (expireDays ?? null) : daysOf(days, "--expire-days"),
      settings,
    });
    const fork = parent === null ? "" : `, as ${parent} is now`;
    return await finish(context, api, {
      publishId,
      done: [`added ${name}${fork}`],
      facts: { name },
    });
  },
};

export const removeChannel: ChannelAction = {
  usage: "remove <channel>",
  restMax: 0,
  run: async ({ context, api, name }) => {
    // Asked of the server first, so that nobody confirms what is not there.
    await api.channel(name);
    await confirm(context, name, `removing ${name}`);
    await api.remove(name);
    if (context.isJson) answerJson(context, { name, isRemoved: true });
    else context.printer.answer(`removed ${name}`);
    return EXIT.ok;
  },
};

export const setChannel: ChannelAction = {
  usage: "set <channel> key=value …",
  restMax: 20,
  run: async ({ context, api, name, rest, example }) => {
    if (rest.length === 0) throw new CommandError(EXIT.usage, "Which setting?", example);
    const { settings, expireDays } = parseSettings(rest);
    const patch = { settings, ...(expireDays === undefined ? {} : { expireDays }) };
    const { publishId } = await api.patch(name, patch);
    const done = [`set ${rest.join(" ")}`];
    return await finish(context, api, { publishId, done, facts: { name, settings } });
  },
};

export const pin: ChannelAction = pinning("pin", true);
export const unpin: ChannelAction = pinning("unpin", false);

function pinning(word: string, isPinned: boolean): ChannelAction {
  return {
    usage: `${word} <channel>@<generation> | ${word} <channel> <nevra>`,
    restMax: 1,
    run: async ({ context, api, name: given, rest: [nevra], example }) => {
      const { name, number } = parseChannelAt(given, example);
      if ((number === undefined) === (nevra === undefined)) {
        throw new CommandError(EXIT.usage, "A generation, or a package: one of them.", example);
      }
      const note = context.text("note") ?? "";
      const what = nevra === undefined ? { generation: number, note } : { nevra };
      await api.pin(name, { ...what, isPinned });
      if (context.isJson) answerJson(context, { channel: name, ...what, isPinned });
      else context.printer.answer(`${word}ned ${nevra ?? `${name}@${number ?? ""}`}`);
      return EXIT.ok;
    },
  };
}

export interface Finishing {
  /** Null: nothing has to be published for it. */
  readonly publishId: string | null;
  readonly done: Line;
  readonly facts: object;
}

/** Waits for what was begun, and tells how it ended. */
export async function finish(
  context: CommandContext,
  api: ChannelApi,
  { publishId, done, facts }: Finishing,
): Promise<ExitCode> {
  const result =
    publishId === null ? undefined : await awaitChange(context, api, beginning(publishId));
  if (context.isJson) answerJson(context, { ...facts, result: result ?? null });
  else if (result === undefined) context.printer.answer(...done);
  else {
    for (const line of result.report) context.printer.progress(`  ${line}`);
    const [head] = result.generations;
    const where = head === undefined ? "" : `: generation ${head.number}`;
    if (result.state === "live") context.printer.answer(...done, where);
    else context.printer.complain(`${result.state}: ${result.reason ?? "no reason was given"}`);
  }
  return result === undefined ? EXIT.ok : exitOfChange(result);
}
