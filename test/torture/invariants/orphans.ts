import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { engineApi } from "../../../src/cli/engine-api.ts";
import { withoutKept } from "../../support/kept-names.ts";
import type { Violation } from "./violation.ts";

/** What killed workers left must be gone a minute after the last of them started again. */
const GRACE_MS = 75_000;
const LOOK_EVERY_MS = 1_000;
const ENGINE = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";

/** I4: nothing of a finished job is left on the engine, nor on the worker's disk. */
export async function checkOrphans(dataDir: string): Promise<readonly Violation[]> {
  const endAt = performance.now() + GRACE_MS;
  for (;;) {
    const left = await orphansOf(join(dataDir, "worker"));
    if (left.length === 0 || performance.now() > endAt) {
      return left.map((what) => ({ figure: "orphans", what }));
    }
    await delay(LOOK_EVERY_MS);
  }
}

async function orphansOf(workersDir: string): Promise<readonly string[]> {
  const engine = engineApi(ENGINE, AbortSignal.timeout(30_000));
  const left: string[] = [];
  for (const name of await readdir(workersDir)) {
    const dir = join(workersDir, name);
    const id = (await readFile(join(dir, "id"), "utf8")).trim();
    left.push(...withoutKept(await engine.labelled(`dev.tatara.worker=${id}`)));
    const folders = await readdir(join(dir, "jobs")).catch(() => []);
    left.push(...folders.map((folder) => `folder of attempt ${folder}`));
  }
  return left;
}
