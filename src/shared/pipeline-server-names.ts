import { nearSpelling } from "../domain/near-spelling.ts";
import type { ServerNames } from "../domain/pipeline.ts";
import { quoted } from "./pipeline-mistake.ts";
import type { Finding } from "./pipeline-mistake.ts";

/** Why there is no such channel, or undefined. */
export function channelMistake(name: string, names: ServerNames): Finding | undefined {
  const channels = names.channels.map((channel) => channel.name);
  if (channels.includes(name)) return undefined;
  return {
    code: "CHANNEL_UNKNOWN",
    message: `no channel ${quoted(name)} on this server`,
    hint: `${didYouMean(name, channels)}channels: ${channels.slice(0, 50).join(", ")}`,
  };
}

/** Why a repo may not publish to the channel by itself, or undefined. */
export function publishMistake(name: string, names: ServerNames): Finding | undefined {
  const unknown = channelMistake(name, names);
  if (unknown !== undefined) return unknown;
  const { channels, repo = "this repo" } = names;
  if (channels.some((channel) => channel.name === name && channel.mayPublish)) return undefined;
  const before = channels.findLast((channel) => channel.mayPublish)?.name;
  return {
    code: "CHANNEL_FORBIDDEN",
    message: `${repo} may not publish to ${quoted(name)}`,
    hint:
      before === undefined
        ? "ask an admin"
        : `it may promote: \`${name}: { promote-from: ${before} }\`; or ask an admin`,
  };
}

/** Why there is no such source of packages, or undefined. */
export function sourceMistake(name: string, names: ServerNames): Finding | undefined {
  const channels = names.channels.map((channel) => channel.name);
  const { yumSources } = names;
  if (channels.includes(name) || yumSources.includes(name)) return undefined;
  const sources = yumSources.length === 0 ? "" : `; yum sources: ${yumSources.join(", ")}`;
  return {
    code: "CHANNEL_UNKNOWN",
    message: `no channel and no yum source ${quoted(name)} on this server`,
    hint: `${didYouMean(name, [...yumSources, ...channels])}channels: ${channels.slice(0, 50).join(", ")}${sources}`,
  };
}

/** Why there is no such target, or undefined. `el9` and `el9.x86_64` are both right. */
export function targetMistake(
  name: string,
  arches: readonly string[],
  { targets }: ServerNames,
): Finding | undefined {
  const distributions = [...new Set(targets.map((target) => target.split(".", 1)[0] ?? target))];
  const wanted = name.includes(".") ? [name] : arches.map((arch) => `${name}.${arch}`);
  const isKnown = name.includes(".") ? targets.includes(name) : distributions.includes(name);
  const missing = wanted.find((target) => !target.endsWith(".noarch") && !targets.includes(target));
  if (isKnown && missing === undefined) return undefined;
  const isWhole = name.includes(".") || isKnown;
  const known = isWhole ? targets : distributions;
  const unknown = isKnown ? (missing ?? name) : name;
  return {
    code: "TARGET_UNKNOWN",
    message: `this server has no target ${quoted(unknown)}`,
    hint: `targets: ${known.join(", ")}`,
  };
}

function didYouMean(name: string, known: readonly string[]): string {
  const near = nearSpelling(name, known);
  return near === undefined ? "" : `did you mean "${near}"? `;
}
