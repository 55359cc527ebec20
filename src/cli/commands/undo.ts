import { connect } from "../api-client.ts";
import { CHANGE_OPTIONS, doChange, generationsSaid, undoSaid } from "../change/do-change.ts";
import type { ApiChannelView } from "../channel-api.ts";
import { channelApi } from "../channel-api.ts";
import { parseChannelAt } from "../channel/channel-at.ts";
import type { Command } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { Line } from "../print.ts";
import { withSuggestions } from "../suggest.ts";

export const undo: Command = {
  name: "undo",
  usage: "<channel>[@generation]",
  summary: "Lists again what a channel listed before.",
  examples: [
    ["tatara undo stable", "takes back its newest generation"],
    ["tatara undo stable@88", "takes back generation 88, and what came after it"],
    ["tatara undo stable --dry-run", "what would happen"],
  ],
  options: CHANGE_OPTIONS,
  positionalsMax: 1,
  run: async (context) => {
    const { name, number } = parseChannelAt(context.positionals[0], "tatara undo stable@88");
    const api = channelApi(await connect(context.env, context.signal));
    const named = { channels: [name] };
    const channel = await withSuggestions(api, named, () => api.channel(name));
    const to = number === undefined ? null : before(channel, number);
    if (number !== undefined && number < channel.head) {
      const others = channel.head - number;
      context.printer.progress(
        `This also takes back the ${others === 1 ? "one generation" : `${others} generations`} since.`,
      );
    }
    return await doChange(context, api, {
      // Between plan and change nothing else may have come.
      wish: {
        kind: "undo",
        channel: name,
        to,
        head: channel.head > 0 ? channel.head : null,
        note: context.text("note") ?? "",
      },
      named,
      done: (result, plan) => {
        if (result.publishId === null) return [];
        const isSaid = plan.warnings.some((warning) => warning.includes("distro-sync"));
        const done: Line = [`undone, ${generationsSaid(result)}.${undoSaid(result)}`];
        return isSaid ? [done] : [done, SYNC];
      },
    });
  },
};

const SYNC: Line = [
  "Hosts that have upgraded keep what they have: `dnf --refresh distro-sync` takes them back.",
];

/** The generation whose lists come back when `number` is taken back. */
function before({ name, head, generations }: ApiChannelView, number: number): number {
  if (number > head) {
    const message = `${name} has no generation ${number}.`;
    throw new CommandError(EXIT.notFound, message, `its newest is ${head}: tatara undo ${name}`);
  }
  const older = generations.map((one) => one.number).filter((one) => one < number);
  const to = older.length > 0 ? Math.max(...older) : number - 1;
  if (to >= 1) return to;
  throw new CommandError(
    EXIT.failed,
    `${name}@${number} is the first: there is nothing before it.`,
  );
}
