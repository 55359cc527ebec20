import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../../../src/shared/logger.ts";
import { PATHS } from "../../../src/shared/protocol.ts";
import type { ServerClient } from "../../../src/shared/server-client.ts";
import { shellsAnswer, type WantedShell } from "../../../src/shared/shell-messages.ts";
import { openUpgrade } from "../../../src/shared/upgrade.ts";
import type { Engine } from "../engine.ts";
import { runShell } from "./run-shell.ts";

const ASK_EVERY_MS = 5_000;

export interface ServeShellsDeps {
  readonly client: ServerClient;
  readonly engine: Pick<Engine, "findKept">;
  readonly serverUrl: string;
  readonly token: string;
  readonly workerId: string;
  /** Is there a container that somebody might want to enter? */
  readonly hasKept: () => boolean;
  readonly logger: Logger;
}

export interface ServedShells {
  /** Asks now which shells are wanted: somebody hinted that one is. */
  ask(): Promise<void>;
  /** Resolves when no shell is open any more. */
  drained(): Promise<void>;
}

/** Opens the shells that people want in this worker's kept containers, until `shutdown`. */
export function serveShells(deps: ServeShellsDeps, shutdown: AbortSignal): ServedShells {
  const { client, workerId, logger } = deps;
  const open = new Map<string, Promise<void>>();

  const serve = async (wanted: WantedShell): Promise<void> => {
    const url = deps.serverUrl + PATHS.shell(wanted.id);
    const person = await openUpgrade(url, { token: deps.token, signal: shutdown });
    await runShell(wanted, person, deps, shutdown);
  };
  const ask = async (): Promise<void> => {
    const call = { path: PATHS.shells(), json: { worker: workerId }, answer: shellsAnswer };
    const answer = await client.ask(call, shutdown);
    for (const wanted of answer?.shells ?? []) {
      if (open.has(wanted.id)) continue;
      const serving = serve(wanted)
        .catch((err: unknown) => logger.warn({ err, shellId: wanted.id }, "Shell not served"))
        .finally(() => open.delete(wanted.id));
      open.set(wanted.id, serving);
    }
  };
  const askOrLog = (): Promise<void> =>
    ask().catch((err: unknown) => {
      if (!shutdown.aborted) logger.debug({ err }, "Could not ask for shells");
    });
  void askWhileKept(deps, askOrLog, shutdown);
  return {
    ask: askOrLog,
    drained: async () => {
      await Promise.all(open.values());
    },
  };
}

/** The hint comes by Redis, which may be away. */
async function askWhileKept(
  { hasKept }: ServeShellsDeps,
  ask: () => Promise<void>,
  shutdown: AbortSignal,
): Promise<void> {
  while (!shutdown.aborted) {
    if (hasKept()) await ask();
    await delay(ASK_EVERY_MS, undefined, { signal: shutdown }).catch(() => undefined);
  }
}
