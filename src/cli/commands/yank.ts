import { connect } from "../api-client.ts";
import { CHANGE_OPTIONS, doChange, generationsSaid } from "../change/do-change.ts";
import { channelApi } from "../channel-api.ts";
import type { Command } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";

const PACKAGES_MAX = 5_000;

export const yank: Command = {
  name: "yank",
  usage: "<package …> --reason <text>",
  summary: "Takes packages out of every channel, for good.",
  examples: [
    ['tatara yank hello-1.4.0-1 --reason "eats files"', "no host gets it any more"],
    [
      'tatara yank hello-1.4.0-1 --channel stable --reason "too early"',
      "out of this one and its forks",
    ],
    [
      "tatara yank hello-1.4.0-1 --refuse-downloads --reason CVE-2026-1",
      "nor its bytes, from now on",
    ],
  ],
  options: {
    reason: { type: "string", value: "text", help: "why; shown with the package" },
    channel: { type: "string", value: "channel", help: "out of this one and its forks only" },
    "refuse-downloads": {
      type: "boolean",
      help: "answer 410 for its bytes, under every generation",
    },
    "dry-run": CHANGE_OPTIONS["dry-run"],
    yes: CHANGE_OPTIONS.yes,
  },
  positionalsMax: PACKAGES_MAX,
  run: async (context) => {
    const { positionals, text, flag } = context;
    const reason = text("reason") ?? "";
    if (positionals.length === 0) {
      throw new CommandError(EXIT.usage, "Which package?", "tatara help yank");
    }
    if (reason === "" && !flag("dry-run")) {
      throw new CommandError(EXIT.usage, "Why? It is shown with the package.", "--reason TEXT");
    }
    const channel = text("channel") ?? null;
    const refuseDownloads = flag("refuse-downloads");
    const api = channelApi(await connect(context.env, context.signal));
    return await doChange(context, api, {
      wish: { kind: "yank", packages: [...positionals], channel, refuseDownloads, note: reason },
      named: { packages: positionals, channels: [text("channel")] },
      // A yank may also be of what no channel lists: it is true without a publish.
      done: (result) => [[`yanked, ${generationsSaid(result)}.`]],
    });
  },
};
