import { connect } from "../api-client.ts";
import { CHANGE_OPTIONS, doChange, generationsSaid, undoSaid } from "../change/do-change.ts";
import type { ChangeWish } from "../channel-api.ts";
import { channelApi } from "../channel-api.ts";
import type { Command, CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { parseBuildName } from "../find-build.ts";
import { readGitFolder } from "../git-folder.ts";

const PACKAGES_MAX = 5_000;

export const promote: Command = {
  name: "promote",
  usage: "[package …] --to <channel>",
  summary: "Lists in one channel what another lists: the same signed bytes.",
  examples: [
    ["tatara promote hello --to testing", "its newest version"],
    ["tatara promote hello-1.4.0-1 --to stable --dry-run", "what would happen"],
    ["tatara promote --build acme/hello#12 --to stable", "everything that this build published"],
    ["tatara promote --all --from testing --to stable", "the newest of every name"],
  ],
  options: {
    to: { type: "string", value: "channel", help: "where to" },
    from: { type: "string", value: "channel", help: "where from, if that is not clear" },
    build: { type: "string", value: "build", help: "all packages of owner/name#12" },
    all: { type: "boolean", help: "the newest of every name in --from" },
    force: { type: "boolean", help: "although it would not install" },
    ...CHANGE_OPTIONS,
  },
  positionalsMax: PACKAGES_MAX,
  run: async (context) => {
    const { positionals, text } = context;
    const wish = await wishOf(context);
    const api = channelApi(await connect(context.env, context.signal));
    return await doChange(context, api, {
      wish,
      named: { packages: positionals, channels: [text("to"), text("from")] },
      done: (result) =>
        result.publishId === null
          ? []
          : [[`promoted, ${generationsSaid(result)}.${undoSaid(result)}`]],
    });
  },
};

async function wishOf({ positionals, text, flag, cwd }: CommandContext): Promise<ChangeWish> {
  const to = text("to");
  if (to === undefined) {
    throw new CommandError(EXIT.usage, "Where to?", "tatara promote hello --to stable");
  }
  const given = text("build");
  const ways = [positionals.length > 0, given !== undefined, flag("all")].filter(Boolean).length;
  if (ways !== 1) {
    const message =
      ways === 0 ? "What is to be promoted?" : "Packages, --build or --all: one of them.";
    throw new CommandError(EXIT.usage, message, "tatara help promote");
  }
  const from = text("from") ?? null;
  if (flag("all") && from === null) {
    throw new CommandError(EXIT.usage, "All of which channel?", "--from testing");
  }
  return {
    kind: "promote",
    packages: [...positionals],
    build: given === undefined ? null : await buildName(given, cwd),
    all: flag("all"),
    from,
    to,
    force: flag("force"),
    note: text("note") ?? "",
  };
}

/** `owner/name#12`, as the server wants it. */
async function buildName(given: string, cwd: string): Promise<string> {
  const { repo } = await readGitFolder(cwd);
  const name = parseBuildName(given, repo);
  if ("number" in name) return `${name.repo}#${name.number}`;
  throw new CommandError(EXIT.usage, `${given} names no build.`, "owner/name#12 is expected");
}
