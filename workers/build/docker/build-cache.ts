import { DEADLINE_MS, call } from "./client.ts";
import type { DockerDeps } from "./client.ts";

/**
 * Removes what BuildKit keeps of earlier builds, least used first, until it is no more than that. Its
 * records do not say whose they are, so this is only for an engine that is Tatara's alone.
 */
export async function pruneBuildCache(
  { docker }: DockerDeps,
  keepBytes: number,
  signal: AbortSignal,
): Promise<void> {
  const options = { doing: "remove build caches", deadlineMs: DEADLINE_MS.heavy, signal };
  await call(options, async (abortSignal) => {
    const done = Promise.withResolvers<void>();
    const request = {
      path: "/build/prune?",
      method: "POST",
      abortSignal,
      options: { _query: { all: true, "keep-storage": keepBytes }, _body: {} },
      statusCodes: { 200: true, 500: "server error" },
    };
    docker.modem.dial(request, (err) => (err ? done.reject(err) : done.resolve()));
    await done.promise;
  });
}
