import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../../workers/build/engine.ts";
import { serverClient } from "../../src/shared/server-client.ts";
import { diskBudget } from "../../workers/build/disk-budget.ts";
import { watchDisk } from "../../workers/build/disk-watch.ts";
import { reap } from "../../workers/build/reaper.ts";
import { startBuildServer } from "../support/build-server.ts";
import type { BuildServer } from "../support/build-server.ts";
import {
  BASE_IMAGE,
  LIMITS,
  MIB,
  buildOptions,
  never,
  openJob,
  realEngine,
  tarOf,
} from "../support/engine-rig.ts";
import { startPrivateEngine, type PrivateEngine } from "../support/private-engine.ts";
import { silentLogger } from "../support/silent-logger.ts";

const DISK_MIB = 1_500;
const HOUR_MS = 3_600_000;

let host: PrivateEngine;
let engine: Engine;
beforeAll(async () => {
  host = await startPrivateEngine({ diskMib: DISK_MIB });
  await host.load(BASE_IMAGE);
  engine = realEngine({ socketPath: host.socketPath, imageTtlMs: 30 * 24 * HOUR_MS });
});
afterAll(() => host[Symbol.asyncDispose]());

/** An image of so many own MiB, under a repo's name. */
async function build(cacheName: string, mib: number): Promise<string> {
  await using job = openJob(engine, await engine.findImage(BASE_IMAGE, never));
  const text = `FROM ${BASE_IMAGE}\nRUN echo ${cacheName}; dd if=/dev/urandom of=/f bs=1M count=${mib} status=none\n`;
  const built = await engine.buildImage(
    { ...buildOptions(job, tarOf({ Dockerfile: text })), cacheName },
    never,
  );
  if (built.kind !== "built") throw new Error(`Not built: ${JSON.stringify(built)}`);
  return built.image.id;
}

async function has(image: string): Promise<boolean> {
  return await host.docker
    .getImage(image)
    .inspect()
    .then(
      () => true,
      () => false,
    );
}

function collect(bytesMax: number, oldestJobAt?: number): Promise<void> {
  const sources = [engine.listStored];
  const now = () => Date.now() + HOUR_MS;
  const deps = { sources, bytesMax, oldestJobAt: () => oldestJobAt, now, logger: silentLogger };
  return diskBudget(deps).collect(never);
}

describe("the budget of images", () => {
  test("removes the least used, and never what is in use or somebody else's", async () => {
    const { docker } = host;
    const used = await build("acme/used", 30);
    const holder = await docker.createContainer({ Image: used, Cmd: ["true"] });
    const old = await build("acme/old", 30);
    const shared = await build("acme/shared", 30);
    await docker.getImage(shared).tag({ repo: "somebody/own", tag: "1" });
    await docker.getImage(old).tag({ repo: "tatara-builder", tag: "not-ours" });
    await docker.getImage("tatara-builder:not-ours").remove();
    await docker.getImage(BASE_IMAGE).tag({ repo: "tatara-build-similar", tag: "1" });
    const newer = await build("acme/newer", 30);

    await collect(40 * MIB);

    expect(await has(used)).toBe(true);
    expect(await has(old)).toBe(false);
    expect(await has(shared)).toBe(true);
    expect(await has("tatara-build-similar:1")).toBe(true);
    expect(await has(newer)).toBe(true);

    await holder.remove();
    await collect(0, Date.now() - HOUR_MS);
    expect(await has(newer)).toBe(true);

    await collect(0);
    expect(await has(newer)).toBe(false);
    expect(await has(used)).toBe(false);
    expect(await has(shared)).toBe(true);
    expect(await has(BASE_IMAGE)).toBe(true);
  });
});

describe("the reaper", () => {
  test("removes what is this worker's alone, unlabelled build containers included", async () => {
    const { docker } = host;
    const foreign = { Image: BASE_IMAGE, Cmd: ["true"] };
    const container = (name: string, more: object = {}) =>
      docker.createContainer({ ...foreign, ...more, name });
    const labelsOf = (worker: string) => ({
      "dev.tatara.worker": worker,
      "dev.tatara.job": "j",
      "dev.tatara.attempt": "1",
    });
    const cgroup = (parent: string) => ({ HostConfig: { CgroupParent: parent } });
    await container("ours-by-label", { Labels: labelsOf("w") });
    await container("ours-by-cgroup", cgroup("/tatara/w"));
    await container("tatara-j-1-like-ours");
    await container("another-workers", { Labels: labelsOf("w2") });
    await container("another-workers-build", cgroup("/tatara/w2"));
    await container("similar-cgroup", cgroup("/tatara-w"));
    await container("similar-label", { Labels: { "dev.tatara.worker.x": "w" } });
    await docker.createVolume({ Name: "ours", Labels: labelsOf("w") });
    await docker.createVolume({ Name: "tatara-j-1-volume" });
    await docker.createVolume({ Name: "theirs", Labels: labelsOf("w2") });
    await docker.createNetwork({ Name: "ours", Labels: labelsOf("w") });
    await docker.createNetwork({ Name: "tatara-j-1-net" });

    await using server = await startBuildServer();
    await reapWith(engine, server);

    expect((await host.everything()).toSorted()).toEqual([
      "container /another-workers",
      "container /another-workers-build",
      "container /similar-cgroup",
      "container /similar-label",
      "container /tatara-j-1-like-ours",
      "network tatara-j-1-net",
      "volume tatara-j-1-volume",
      "volume theirs",
    ]);
  });

  test("removes a volume whose labels a killed engine forgot, once nobody can be making it", async () => {
    const { docker, socketPath } = host;
    const forgotten = "tatara-j-0123456789ab-1-WORKSPACE-seed";
    const ofLiveJob = "tatara-j-0123456789ac-2-WORKSPACE-seed";
    for (const Name of [forgotten, ofLiveJob]) await docker.createVolume({ Name });
    await using server = await startBuildServer();
    server.live.push({ jobId: "j-0123456789ac", attempt: 2 });
    const volumes = async () =>
      (await docker.listVolumes()).Volumes.map(({ Name }) => Name).filter((name) =>
        [forgotten, ofLiveJob].includes(name),
      );

    await reapWith(engine, server);
    expect(await volumes()).toHaveLength(2);

    await reapWith(realEngine({ socketPath, now: () => Date.now() + HOUR_MS }), server);
    expect(await volumes()).toEqual([ofLiveJob]);
  });
});

async function reapWith(on: Engine, { url, token }: BuildServer): Promise<void> {
  const jobsDir = await mkdtemp(join(tmpdir(), "tatara-jobs-"));
  await reap(
    {
      engine: on,
      client: serverClient({ url, token }),
      workerId: "w",
      jobsDir,
      isOurs: () => false,
      tidy: async () => undefined,
      pause: async () => "over",
      logger: silentLogger,
    },
    never,
  );
  await rm(jobsDir, { recursive: true });
}

describe("a full disk", () => {
  test("nothing new below the soft floor; below the hard one the largest job is stopped", async () => {
    await using job = openJob(engine, await engine.findImage(BASE_IMAGE, never), "w");
    const start = async (step: string, mib: number) => {
      const line = `dd if=/dev/zero of=/big bs=1M count=${mib} status=none; echo written; exec sleep 600`;
      // This disk is memory, and counts as that of whoever fills it.
      const limits = { ...LIMITS, memoryBytes: 2 * DISK_MIB * MIB };
      const spec = job.spec(step, ["sh", "-c", line], { limits });
      const container = await engine.createContainer(spec, never);
      const written = Promise.withResolvers<void>();
      await container.start(() => written.resolve(), never);
      await written.promise;
      return container;
    };
    const stopped: string[] = [];
    const said: (string | null)[] = [];
    const free = (await engine.freeBytes(never)) ?? 0;
    const watch = watchDisk({
      engine,
      workerId: "w",
      dir: tmpdir(),
      softFloorBytes: free - 100 * MIB,
      jobs: () =>
        [`${job.jobId}-1`, "small-1"].map((attempt) => ({
          attempt,
          stop: ({ code }) => void stopped.push(`${attempt} ${code}`),
        })),
      budget: { collect: async () => undefined },
      troubles: { set: (_source, trouble) => void said.push(trouble) },
      logger: silentLogger,
    });

    expect(await watch.look(never)).toBe(true);
    await start("some", 150);
    expect(await watch.look(never)).toBe(false);
    expect(stopped).toEqual([]);
    await start("most", Math.ceil(((free / MIB) * 2) / 3));
    expect(await watch.look(never)).toBe(false);
    expect(stopped).toEqual([`${job.jobId}-1 DISK_FULL`]);
    await engine.removeAllOf({ jobId: job.jobId, attempt: 1 }, never);
    expect(await watch.look(never)).toBe(true);

    expect(said).toEqual([expect.stringContaining("nearly full"), null]);
  });
});
