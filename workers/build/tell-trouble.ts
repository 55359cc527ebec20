import { setTimeout as delay } from "node:timers/promises";
import { PATHS } from "../../src/shared/protocol.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";

const REPEAT_MS = 15_000;
const MESSAGE_MAX = 500;

/** Tells the server why this worker takes no jobs, so that people need not guess. */
export interface Troubles {
  /** A sentence; null: it is over. Of several sources each has its own. */
  set(source: string, trouble: string | null): void;
}

/**
 * The newest state counts and is said again while the trouble lasts: a server that was away, or has
 * started anew, must hear of it too.
 */
export function tellTroubles(
  { client, workerId }: { readonly client: ServerClient; readonly workerId: string },
  signal: AbortSignal,
): Troubles {
  const current = new Map<string, string>();
  let changed = Promise.withResolvers<void>();

  const say = async (): Promise<void> => {
    const trouble = [...current.values()].join(" ").slice(0, MESSAGE_MAX) || null;
    const json = { worker: workerId, trouble };
    await client.send({ path: PATHS.buildTrouble(), json }, signal);
  };
  const sayForever = async (): Promise<void> => {
    while (!signal.aborted) {
      await changed.promise;
      changed = Promise.withResolvers<void>();
      await say().catch(() => undefined);
      while (current.size > 0 && !signal.aborted) {
        await Promise.race([changed.promise, delay(REPEAT_MS, undefined, { signal })]).catch(
          () => undefined,
        );
        changed = Promise.withResolvers<void>();
        await say().catch(() => undefined);
      }
    }
  };
  void sayForever();

  return {
    set: (source, trouble) => {
      if ((current.get(source) ?? null) === trouble) return;
      if (trouble === null) current.delete(source);
      else current.set(source, trouble);
      changed.resolve();
    },
  };
}
