import { DEFAULT_CHANNEL_SETTINGS } from "../../shared/channel-settings.ts";
import type { ApiChannel, ApiChannelView, ApiGeneration } from "../channel-api.ts";
import { EXIT } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import type { Line } from "../print.ts";
import type { ChannelAction } from "./channel-action.ts";
import { settingWords } from "./setting-words.ts";

const GENERATIONS_SHOWN = 8;
const NAMES_SHOWN = 4;

export const listChannels: ChannelAction = {
  usage: "list",
  restMax: 0,
  run: async ({ context, api }) => {
    const channels = await api.channels();
    if (context.isJson) for (const one of channels) answerJson(context, one);
    else for (const line of table(channels)) context.printer.answer(...line);
    return EXIT.ok;
  },
};

export const showChannel: ChannelAction = {
  usage: "show <channel>",
  restMax: 0,
  run: async ({ context, api, name }) => {
    const found = await api.channel(name);
    if (context.isJson) answerJson(context, found);
    else for (const line of channelLines(found)) context.printer.answer(...line);
    return EXIT.ok;
  },
};

/** `  stable   generation 88   120 packages   el9.x86_64   fork of dev@12, until 2026-12-01` */
function table(channels: readonly ApiChannel[]): readonly Line[] {
  const columns = Math.max(0, ...channels.map(({ name }) => name.length));
  return channels.map((channel): Line => {
    const main = channel.targets.filter((target) => !/-(?:source|debug)$/.test(target.name));
    const count = main.reduce((sum, { packages }) => sum + packages, 0);
    const facts = [
      headSaid(channel),
      `${count} package${count === 1 ? "" : "s"}`,
      main.map((target) => target.name).join(", "),
      forkSaid(channel),
    ];
    return [`  ${channel.name.padEnd(columns)}   ${facts.filter(Boolean).join("   ")}`];
  });
}

function headSaid({ head }: ApiChannel): string {
  return head === 0 ? "nothing published" : `generation ${head}`;
}

function forkSaid({ parent, expiresAt }: ApiChannel): string {
  const fork = parent === null ? "" : `fork of ${parent.name}@${parent.number}`;
  const until = expiresAt === null ? "" : `until ${expiresAt.slice(0, 10)}`;
  return [fork, until].filter(Boolean).join(", ");
}

function channelLines(channel: ApiChannelView): readonly Line[] {
  const { name, targets, settings, generations } = channel;
  const changed = Object.entries(settingWords(settings)).filter(
    ([key, word]) => word !== DEFAULTS[key],
  );
  return [
    [
      { ink: "bold", text: name },
      `   ${[headSaid(channel), forkSaid(channel)].filter(Boolean).join("   ")}`,
    ],
    ...targets.map((target): Line => [`  ${target.name}   ${target.packages} packages`]),
    ...changed.map(([key, word]): Line => [`  ${key}=${word}`]),
    ...generations.slice(0, GENERATIONS_SHOWN).flatMap((one) => generationLines(name, one)),
  ];
}

const DEFAULTS = settingWords(DEFAULT_CHANNEL_SETTINGS);

/** `  stable@88   2026-11-21 23:50   promote by admin: hello-1.4.0-1: dev → stable` */
function generationLines(channel: string, generation: ApiGeneration): readonly Line[] {
  const { number, createdAt, isPinned, causes, added, removed } = generation;
  const when = createdAt.slice(0, 16).replace("T", " ");
  const why = causes.map(({ kind, by, note, build }) =>
    build === null ? `${note || kind}, by ${by}` : `${build.repo}#${build.number}`,
  );
  const pinned = isPinned ? "   pinned" : "";
  return [
    [`  ${channel}@${number}   ${when}   ${why.join("; ")}${pinned}`],
    ...(added.length === 0 ? [] : [[`      + ${namesSaid(added)}`]]),
    ...(removed.length === 0 ? [] : [[`      - ${namesSaid(removed)}`]]),
  ];
}

function namesSaid(nevras: readonly string[]): string {
  const shown = nevras.slice(0, NAMES_SHOWN).join(", ");
  const more = nevras.length - NAMES_SHOWN;
  return more > 0 ? `${shown} and ${more} more` : shown;
}
