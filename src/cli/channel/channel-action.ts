import type { ChannelApi } from "../channel-api.ts";
import type { CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";

/** One thing that `tatara channel` can do. */
export interface ChannelAction {
  /** `pin <channel>@<generation>` */
  readonly usage: string;
  /** Arguments behind the channel's name. */
  readonly restMax: number;
  run(request: ChannelRequest): Promise<ExitCode>;
}

export interface ChannelRequest {
  readonly context: CommandContext;
  readonly api: ChannelApi;
  /** As it was typed; empty for `list`. */
  readonly name: string;
  readonly rest: readonly string[];
  /** The whole line as it is typed. */
  readonly example: string;
}

/** Whole days, such as `--expire-days 14`. */
export function daysOf(text: string, what: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new CommandError(EXIT.usage, `${what} ${text}: a number of days is expected`);
}
