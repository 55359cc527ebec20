import type { Request, Response } from "express";
import { isChannelName } from "../../domain/channel.ts";
import type { ChannelHead, Context } from "./context.ts";
import { findServed, isLayer } from "./names.ts";
import { refuse } from "./send.ts";

/** What the first two parts of an address mean now. */
export interface CurrentPlace {
  readonly channel: string;
  /** As the channel names it: an address may spell it otherwise. */
  readonly served: string;
  /** The channel's newest generation. */
  readonly head: number;
  /** The newest one that changed this target. */
  readonly number: number;
}

/** Answers 404 itself when there is no such channel or target. */
export async function findPlace(
  request: Request,
  response: Response,
  context: Context,
): Promise<CurrentPlace | undefined> {
  const name = param(request, "channel");
  const asked = param(request, "target");
  const channel = await findChannel(name, context);
  const served = channel && findServed(asked, channel.targets);
  const number = served === undefined ? undefined : channel?.targets[served];
  if (channel !== undefined && served !== undefined && number !== undefined) {
    return { channel: name, served, head: channel.head, number };
  }
  const targets = Object.keys(channel?.targets ?? {}).filter((each) => !isLayer(each));
  const why = channel
    ? `Channel ${name} has no target ${quoted(asked)}; it has ${targets.join(", ") || "none yet"}.`
    : `There is no channel ${quoted(name)}.`;
  refuse(response, why);
  return undefined;
}

export async function findChannel(
  name: string,
  { heads }: Pick<Context, "heads">,
): Promise<ChannelHead | undefined> {
  return isChannelName(name) ? await heads.channel(name) : undefined;
}

export function param(request: Request, name: string): string {
  const value: unknown = request.params[name];
  return typeof value === "string" ? value : "";
}

/** What a client sent, for a message to it. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
