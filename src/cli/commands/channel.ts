import { nearSpelling } from "../../domain/near-spelling.ts";
import { connect } from "../api-client.ts";
import { CHANGE_OPTIONS } from "../change/do-change.ts";
import { channelApi } from "../channel-api.ts";
import type { ChannelAction } from "../channel/channel-action.ts";
import { addChannel, pin, removeChannel, setChannel, unpin } from "../channel/manage-channel.ts";
import { exportChannel } from "../channel/export-channel.ts";
import {
  importFolder,
  repoFile,
  retention,
  rewrite,
  setExtra,
} from "../channel/channel-content.ts";
import { listChannels, showChannel } from "../channel/show-channel.ts";
import { verifyChannel } from "../channel/verify-channel.ts";
import type { Command } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { withSuggestions } from "../suggest.ts";

const ACTIONS: Readonly<Record<string, ChannelAction>> = {
  list: listChannels,
  show: showChannel,
  add: addChannel,
  remove: removeChannel,
  set: setChannel,
  file: repoFile,
  pin,
  unpin,
  retention,
  rewrite,
  import: importFolder,
  export: exportChannel,
  verify: verifyChannel,
  extras: setExtra,
};
const ARGUMENTS_MAX = 100;

export const channel: Command = {
  name: "channel",
  usage: `<${Object.keys(ACTIONS).join(" | ")}> …`,
  summary: "The yum repositories that hosts subscribe to.",
  examples: [
    ["tatara channel list", "all of them"],
    ["tatara channel show stable", "targets, settings, the newest generations"],
    ["tatara channel file stable > /etc/yum.repos.d/tatara.repo", "what a host needs"],
    ["tatara channel add mine --parent dev --expire-days 14", "a fork of what dev lists now"],
    ["tatara channel remove mine", "asks first, or --yes"],
    ["tatara channel set dev retention.keepVersions=10 layers=off", "null or - takes a value away"],
    [
      "tatara channel pin stable@88",
      "this generation stays; also: pin stable hello-1.4.0-1.noarch",
    ],
    ["tatara channel unpin stable@88", "lets it go"],
    ["tatara channel retention dev --dry-run", "what retention would take out"],
    ["tatara channel rewrite dev", "makes all metadata anew"],
    [
      "tatara channel import dev /srv/rpms --target el9.x86_64",
      "all RPMs of a folder of the worker",
    ],
    ["tatara channel export stable --to /srv/www/stable", "plain folders for any web server"],
    ["tatara channel verify stable", "every checksum and the signature"],
    [
      "tatara channel extras dev el9.x86_64 group comps.xml",
      "or modules modules.yaml; --take-away",
    ],
  ],
  options: {
    parent: { type: "string", value: "channel", help: "add: begin as a copy of this one" },
    "expire-days": { type: "string", value: "days", help: "add: delete it so long from now" },
    target: { type: "string", value: "target", help: "file, import, export, verify: this one" },
    to: { type: "string", value: "folder", help: "export: where to" },
    copy: { type: "boolean", help: "export: no hard links into the pool" },
    foreign: {
      type: "string",
      value: "how",
      help: "import: refuse, resign or keep what another key signed",
    },
    remote: { type: "boolean", help: "export, verify: over HTTP, though the data is here" },
    "take-away": { type: "boolean", help: "extras: no longer pass the file on" },
    ...CHANGE_OPTIONS,
  },
  positionalsMax: ARGUMENTS_MAX,
  run: async (context) => {
    const [given = "list", name, ...rest] = context.positionals;
    const action = Object.hasOwn(ACTIONS, given) ? ACTIONS[given] : undefined;
    if (action === undefined) {
      const near = nearSpelling(given, Object.keys(ACTIONS));
      const hint = near === undefined ? "tatara help channel" : `did you mean channel ${near}?`;
      throw new CommandError(EXIT.usage, `There is no command channel ${given}.`, hint);
    }
    const example = `tatara channel ${action.usage}`;
    if (name === undefined && given !== "list") {
      throw new CommandError(EXIT.usage, "Which channel?", example);
    }
    if (rest.length > action.restMax) {
      const message = `Unexpected argument ${rest[action.restMax] ?? ""}.`;
      throw new CommandError(EXIT.usage, message, example);
    }
    const api = channelApi(await connect(context.env, context.signal));
    const meant = name ?? "";
    const channels = [meant.replace(/@\d+$/, ""), context.text("parent")];
    return await withSuggestions(api, { channels }, () =>
      action.run({ context, api, name: meant, rest, example }),
    );
  },
};
