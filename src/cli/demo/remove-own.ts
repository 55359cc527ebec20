import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { engineApi } from "../engine-api.ts";

const TIMEOUT_MS = 30_000;
/** A volume or network is free only once no container uses it. */
const ORDER = ["container", "volume", "network"] as const;

/**
 * Removes what the demo's worker keeps on the engine beyond its jobs: a failed step's container waits
 * for `tatara shell`, and nobody can enter it once the demo's folder is gone.
 */
export async function removeOwn(dataDir: string, dockerHost: string): Promise<void> {
  const engine = engineApi(dockerHost, AbortSignal.timeout(TIMEOUT_MS));
  for (const workerId of await workersIn(dataDir)) {
    const things = await engine.labelledThings(`dev.tatara.worker=${workerId}`);
    for (const kind of ORDER) {
      const some = things.filter((thing) => thing.kind === kind);
      await Promise.all(some.map((thing) => engine.removeThing(thing)));
    }
  }
}

async function workersIn(dataDir: string): Promise<readonly string[]> {
  const folder = join(dataDir, "worker");
  const names = await readdir(folder).catch(() => []);
  const ids = await Promise.all(
    names.map((name) => readFile(join(folder, name, "id"), "utf8").catch(() => "")),
  );
  return ids.map((id) => id.trim()).filter((id) => id !== "");
}
