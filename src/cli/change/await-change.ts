import { setTimeout as delay } from "node:timers/promises";
import type { ChangeResult } from "../../shared/channel-changes.ts";
import type { ChannelApi } from "../channel-api.ts";
import type { CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";

const AGAIN_MS = 300;
/** Where lines are not written in place. */
const STILL_EVERY_MS = 30_000;

const EXIT_OF_CHANGE = {
  queued: EXIT.ok,
  running: EXIT.ok,
  live: EXIT.ok,
  failed: EXIT.failed,
  errored: EXIT.errored,
  cancelled: EXIT.cancelled,
} as const satisfies Record<ChangeResult["state"], ExitCode>;

export function exitOfChange({ state }: ChangeResult): ExitCode {
  return EXIT_OF_CHANGE[state];
}

/** The change once it has ended. A server that is away for a moment is asked again. */
export async function awaitChange(
  context: Pick<CommandContext, "printer" | "signal" | "now">,
  api: ChannelApi,
  begun: ChangeResult,
): Promise<ChangeResult> {
  const { printer, signal } = context;
  const tell = progressTeller(context);
  let result = begun;
  try {
    while (result.publishId !== null && isUnderWay(result)) {
      tell(result);
      await delay(AGAIN_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
      result = await api.change(result.publishId).catch((err: unknown) => {
        if (err instanceof CommandError && err.exitCode === EXIT.unreachable) return result;
        throw err;
      });
    }
    return result;
  } catch (err) {
    if (signal.aborted) printer.complain(`${begun.publishId ?? "The change"} goes on.`);
    throw err;
  } finally {
    printer.block([]);
  }
}

/** By the id of what was begun. */
export function beginning(publishId: string): ChangeResult {
  const nothing = { generations: [], durationMs: null, reason: null, report: [] };
  return { publishId, state: "queued", ...nothing };
}

function isUnderWay({ state }: ChangeResult): boolean {
  return state === "queued" || state === "running";
}

/** On a terminal each step of the work, elsewhere now and then. */
function progressTeller({ printer, now }: Pick<CommandContext, "printer" | "now">) {
  let toldAt = now();
  return ({ state, report }: ChangeResult): void => {
    const how = report.at(-1) ?? (state === "queued" ? "waiting for the publish worker" : "begun");
    printer.block([[`  ${how}`]]);
    if (printer.hasBlock || now() - toldAt < STILL_EVERY_MS) return;
    toldAt = now();
    printer.progress(`  still ${state}: ${how}`);
  };
}
