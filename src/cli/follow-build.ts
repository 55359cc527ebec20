import { setTimeout as delay } from "node:timers/promises";
import { isFinal } from "../domain/states.ts";
import type { ApiClient } from "./api-client.ts";
import type { ApiBuild } from "./api-types.ts";
import { CommandError, EXIT } from "./exit-codes.ts";

const AGAIN_MS = 500;

export interface FollowOptions {
  readonly api: ApiClient;
  readonly signal: AbortSignal;
  /** Also for a server that is away for a moment: a failed request never changes the verdict. */
  readonly onAway?: (err: CommandError) => void;
}

/** The build after each change, until its final state; lost connections are opened again. */
export async function* followBuild(
  build: ApiBuild,
  { api, signal, onAway }: FollowOptions,
): AsyncIterable<ApiBuild> {
  let newest = build;
  yield newest;
  while (!isFinal(newest.state)) {
    try {
      for await (const next of api.follow(build.id)) {
        newest = next;
        yield newest;
      }
      if (isFinal(newest.state)) return;
      newest = await api.build({ id: build.id });
      yield newest;
    } catch (err) {
      signal.throwIfAborted();
      if (!isPassing(err)) throw err;
      onAway?.(err instanceof CommandError ? err : new CommandError(EXIT.unreachable, String(err)));
      await delay(AGAIN_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** The server is away or in trouble, or the stream broke off: all of it may pass. */
function isPassing(err: unknown): boolean {
  if (!(err instanceof CommandError)) return true;
  return err.exitCode === EXIT.unreachable || err.exitCode === EXIT.errored;
}
