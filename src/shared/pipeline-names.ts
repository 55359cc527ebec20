import { isChannelName } from "../domain/channel.ts";
import { keyAt, STEP_KEYS } from "../domain/pipeline-keys.ts";
import { PAGE_WORDS, RESERVED_STEP_NAMES } from "../domain/pipeline.ts";
import { TEXT_RULES } from "../domain/text-rules.ts";
import type { Finding } from "./pipeline-mistake.ts";
import { quoted } from "./pipeline-mistake.ts";

const NAME_LENGTH_MAX = 63;

/** Why a test cannot have this name, or undefined. */
export function testNameMistake(name: string): Finding | undefined {
  const reserved = reservedWord(name);
  if (reserved !== undefined) {
    const message = `a test cannot be called ${quoted(name)}: ${reserved.why}`;
    return { code: "NAME_RESERVED", message, hint: reserved.hint };
  }
  if (TEXT_RULES["step-name"].test(name)) return undefined;
  return { code: "NAME_INVALID", message: `${quoted(name)} is no step name`, hint: nameHint(name) };
}

function reservedWord(name: string): { why: string; hint: string } | undefined {
  if (RESERVED_STEP_NAMES.some((reserved) => reserved === name)) {
    const isKey = keyAt("top", name) !== undefined;
    const orTop = isKey ? `, or did you mean \`${name}:\` at the top?` : "";
    return { why: "each job has a step of that name", hint: `rename it${orTop}` };
  }
  if (PAGE_WORDS.some((word) => word === name)) {
    return { why: "its log would hide a page of the build", hint: 'rename it: "unit"' };
  }
  if (!STEP_KEYS.some((key) => key === name)) return undefined;
  const hint = "rename it; a test that is a map of keys needs `run`";
  return { why: "that word is kept for a key of a step", hint };
}

/** Channels of pull requests and builds are made by Tatara. */
const OWN_CHANNELS = /^(?:pr|build)-/;

/** Why nothing can be published to a channel of this name, or undefined. */
export function channelNameMistake(name: string): Finding | undefined {
  if (OWN_CHANNELS.test(name)) {
    const message = `${quoted(name)} is a name that Tatara gives to channels of its own`;
    return { code: "NAME_RESERVED", message, hint: "name another channel, such as `dev`" };
  }
  if (isChannelName(name)) return undefined;
  const message = `${quoted(name)} is no channel name`;
  return { code: "NAME_INVALID", message, hint: nameHint(name) };
}

/** Says what names are made of, and offers the nearest one. */
export function nameHint(name: string): string {
  const rule = "small letters, digits, `-`, `_`, `.`";
  if (name.length > NAME_LENGTH_MAX) return `${rule}, at most ${NAME_LENGTH_MAX} of them`;
  const legal = name
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/\.{2,}/g, ".")
    .replace(/^[._-]+|-+$/g, "");
  return legal === "" ? rule : `${rule}: "${legal}"`;
}
