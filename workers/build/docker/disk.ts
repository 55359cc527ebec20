import { execFile } from "node:child_process";
import { access, statfs } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type Dockerode from "dockerode";
import { DEADLINE_MS, call } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { LABEL } from "./names.ts";

const LOOK_EVERY_MS = 2_000;
/** Where the engine's disk is not ours to see, each look costs the engine a walk. */
const BLIND_LOOK_EVERY_MS = 15_000;
/** A file system that lost little hides no large step for long; then it is measured all the same. */
const MEASURE_AT_LEAST_EVERY_MS = 60_000;
/** Looking may take this part of the time at most. */
const COST_MAX = 0.1;
const DU_TIMEOUT_MS = 60_000;

/**
 * Resolves when a step has written more than `limitBytes` into its container and its volumes; 0 never
 * does. There are no quotas on an engine's plain disk, so this looks again and again: a step gets
 * further than the limit by what it writes within two seconds.
 */
export async function diskFull(
  deps: DockerDeps,
  container: Dockerode.Container,
  limitBytes: number,
  signal: AbortSignal,
): Promise<void> {
  if (limitBytes === 0) return new Promise(() => undefined);
  const paths = await visiblePaths(deps, container, signal);
  const freeAtStart = await freeBytes(paths);
  let measuredAtMs = performance.now();
  for (let pauseMs = LOOK_EVERY_MS; ;) {
    await sleep(pauseMs, undefined, { signal });
    const lost = freeAtStart - (await freeBytes(paths));
    const isDue = performance.now() - measuredAtMs > MEASURE_AT_LEAST_EVERY_MS;
    if (lost < limitBytes / 2 && !isDue) continue;
    const begunAtMs = performance.now();
    if ((await writtenBytes(container, paths, signal)) > limitBytes) return;
    measuredAtMs = performance.now();
    const leastMs = paths.length > 0 ? LOOK_EVERY_MS : BLIND_LOOK_EVERY_MS;
    pauseMs = Math.max(leastMs, (measuredAtMs - begunAtMs) / COST_MAX);
  }
}

/** Free space where those paths are; without any, always "all lost", so that every look measures. */
async function freeBytes([path]: readonly string[]): Promise<number> {
  if (path === undefined) return -Infinity;
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** What a container has written into its own layer and its volumes so far. */
export async function writtenByContainer(
  deps: DockerDeps,
  container: Dockerode.Container,
  signal: AbortSignal,
): Promise<number> {
  return await writtenBytes(container, await visiblePaths(deps, container, signal), signal);
}

async function writtenBytes(
  container: Dockerode.Container,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const options = { doing: "measure a container", deadlineMs: DEADLINE_MS.heavy, signal };
  const [layer, folders] = await Promise.all([
    call(options, (abortSignal) => container.inspect({ size: true, abortSignal } as object)),
    folderBytes(paths),
  ]);
  const { SizeRw: layerBytes = 0 } = layer as { readonly SizeRw?: number };
  return layerBytes + folders;
}

/** What a step's volumes hold of its own: the upper folders of overlays, and volumes of the image. */
async function visiblePaths(
  { docker }: DockerDeps,
  container: Dockerode.Container,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const options = { doing: "inspect a container's volumes", deadlineMs: DEADLINE_MS.quick, signal };
  const paths = await call(options, async (abortSignal) => {
    const { Mounts: mounts } = await container.inspect({ abortSignal });
    const volumes = mounts.flatMap(({ Type, Name }) => (Type === "volume" && Name ? [Name] : []));
    const found = await Promise.all(
      volumes.map((name) => docker.getVolume(name).inspect({ abortSignal })),
    );
    return found.flatMap(ownPath);
  });
  const visible = await Promise.all(
    paths.map((path) =>
      access(path).then(
        () => [path],
        () => [],
      ),
    ),
  );
  return visible.flat();
}

function ownPath({ Options: options, Labels, Mountpoint }: Dockerode.VolumeInspectInfo): string[] {
  const upper = /(?:^|,)upperdir=([^,]+)/.exec(options?.["o"] ?? "")?.[1];
  if (upper !== undefined) return [upper];
  return (Labels ?? {})[LABEL.job] === undefined ? [Mountpoint] : [];
}

/** A file that vanishes meanwhile makes `du` fail after it has told the rest. */
async function folderBytes(paths: readonly string[]): Promise<number> {
  if (paths.length === 0) return 0;
  const { promise, resolve } = Promise.withResolvers<string>();
  const args = ["-sxk", "--", ...paths];
  execFile("du", args, { timeout: DU_TIMEOUT_MS }, (_err, stdout) => resolve(stdout));
  const lines = (await promise).split("\n");
  return lines.reduce((sum, line) => sum + (Number.parseInt(line, 10) || 0) * 1024, 0);
}
