import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { doChange, generationsSaid, undoSaid } from "../change/do-change.ts";
import type { ChannelApi } from "../channel-api.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import type { ChannelAction, ChannelRequest } from "./channel-action.ts";
import { finish } from "./manage-channel.ts";

const FILE_TIMEOUT_MS = 30_000;
const FOREIGN = ["refuse", "resign", "keep"] as const;
const EXTRA_TYPES = ["group", "modules"] as const;

export const repoFile: ChannelAction = {
  usage: "file <channel> [--target el9.x86_64]",
  restMax: 0,
  run: async ({ context, api, name }) => {
    await api.channel(name);
    const text = await readRepoFile(api, name, context.text("target"), context.signal);
    if (context.isJson) answerJson(context, { channel: name, text });
    else for (const line of text.trimEnd().split("\n")) context.printer.answer(line);
    return EXIT.ok;
  },
};

/** Throws a CommandError with what there is to choose from. */
export async function readRepoFile(
  { url }: Pick<ChannelApi, "url">,
  channel: string,
  target: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const query = target === undefined ? "" : `?target=${encodeURIComponent(target)}`;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(FILE_TIMEOUT_MS)]);
  const response = await fetch(`${url}/yum/${channel}.repo${query}`, { signal: limit });
  const text = await response.text();
  if (response.status === 200) return text;
  const exit = response.status === 300 ? EXIT.usage : EXIT.notFound;
  const targets = [...text.matchAll(/\?target=(\S+)/g)].map(([, one = ""]) => one);
  if (targets.length === 0) throw new CommandError(exit, text.trim());
  const message =
    target === undefined
      ? `${channel} has several targets.`
      : `${channel} has no target ${target}.`;
  const main = targets.filter((one) => !/-(?:source|debug)$/.test(one));
  throw new CommandError(exit, message, `--target ${main.join(" | ")}`);
}

export const retention: ChannelAction = {
  usage: "retention <channel> [--dry-run]",
  restMax: 0,
  run: (request) => channelChange(request, "retain", "taken out what retention no longer keeps"),
};

export const rewrite: ChannelAction = {
  usage: "rewrite <channel>",
  restMax: 0,
  run: (request) => channelChange(request, "rewrite", "rewritten"),
};

async function channelChange(
  { context, api, name }: ChannelRequest,
  kind: "retain" | "rewrite",
  word: string,
): Promise<ExitCode> {
  return await doChange(context, api, {
    wish: { kind, channel: name, note: context.text("note") ?? "" },
    named: { channels: [name] },
    done: (result) => {
      if (result.publishId === null) return [];
      const undo = kind === "retain" ? undoSaid(result) : "";
      return [[`${word}, ${generationsSaid(result)}.${undo}`]];
    },
  });
}

export const importFolder: ChannelAction = {
  usage: "import <channel> <folder> --target el9.x86_64 [--foreign refuse | resign | keep]",
  restMax: 1,
  run: async ({ context, api, name, rest: [folder], example }) => {
    const target = context.text("target");
    if (folder === undefined || target === undefined) {
      throw new CommandError(EXIT.usage, "Which folder, for which target?", example);
    }
    const given = context.text("foreign") ?? "refuse";
    const foreignSignatures = FOREIGN.find((known) => known === given);
    if (foreignSignatures === undefined) {
      const hint = `one of ${FOREIGN.join(", ")} is expected`;
      throw new CommandError(EXIT.usage, `--foreign ${given}: ${hint}`);
    }
    const path = resolve(context.cwd, folder);
    const note = context.text("note") ?? "";
    const wish = { target, folder: path, foreignSignatures, note };
    const { publishId } = await api.import(name, wish);
    const done = [`imported ${path}`];
    return await finish(context, api, { publishId, done, facts: { channel: name, ...wish } });
  },
};

export const setExtra: ChannelAction = {
  usage: "extras <channel> <target> group|modules <file> | --take-away",
  restMax: 3,
  run: async ({ context, api, name, rest: [target, given, file], example }) => {
    const type = EXTRA_TYPES.find((known) => known === given);
    const takesAway = context.flag("take-away");
    if (target === undefined || type === undefined || (file === undefined) !== takesAway) {
      throw new CommandError(EXIT.usage, "Which file, of which kind, for which target?", example);
    }
    const text = file === undefined ? undefined : await readText(resolve(context.cwd, file));
    const { publishId } = await api.setExtra(name, { target, type, text });
    const done = [`${takesAway ? "took away" : "set"} ${type} of ${name}, ${target}`];
    return await finish(context, api, { publishId, done, facts: { channel: name, target, type } });
  },
};

async function readText(path: string): Promise<string> {
  return await readFile(path, "utf8").catch((err: Error) => {
    throw new CommandError(EXIT.usage, `${path} cannot be read: ${err.message}`);
  });
}
